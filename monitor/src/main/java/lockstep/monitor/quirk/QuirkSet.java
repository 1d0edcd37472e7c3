package lockstep.monitor.quirk;

/**
 * Which workarounds are on. Found by probing the host, never by its name.
 *
 * @param rewriteCpuid the kernel's CPUID sees host bits that were hidden: rewrite it to a port read
 * @param syscallShim SYSCALL from user level enters LSTAR still at user level: repair it
 */
public record QuirkSet(boolean rewriteCpuid, boolean syscallShim) {
  /** A KVM that honours the architecture. */
  public static final QuirkSet NONE = new QuirkSet(false, false);
}
