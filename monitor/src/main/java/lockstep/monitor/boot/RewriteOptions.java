package lockstep.monitor.boot;

import java.util.OptionalInt;

/**
 * Which instructions of 64-bit kernel text become {@code IN EAX, imm8} (E5 ib), and on which ports
 * the monitor answers them. An absent port leaves that instruction alone.
 *
 * @param rdtscPort for RDTSC (0F 31): the monitor returns the clock in EDX:EAX
 * @param rdtscpPort for RDTSCP (0F 01 F9), which becomes E5 ib 90: as RDTSC, and ECX = TSC_AUX
 * @param cpuidPort for CPUID (0F A2): the monitor returns all four registers. For a KVM that forces
 *     CPUID bits through
 */
public record RewriteOptions(OptionalInt rdtscPort, OptionalInt rdtscpPort, OptionalInt cpuidPort) {
  /** Nothing is rewritten. */
  public static final RewriteOptions NONE =
      new RewriteOptions(OptionalInt.empty(), OptionalInt.empty(), OptionalInt.empty());

  /**
   * Checks the ports.
   *
   * @throws IllegalArgumentException when one does not fit imm8
   */
  public RewriteOptions {
    check(rdtscPort);
    check(rdtscpPort);
    check(cpuidPort);
  }

  /** RDTSC on one port, RDTSCP on another, CPUID left alone. */
  public static RewriteOptions timestamps(int rdtscPort, int rdtscpPort) {
    return new RewriteOptions(
        OptionalInt.of(rdtscPort), OptionalInt.of(rdtscpPort), OptionalInt.empty());
  }

  /** The same with CPUID rewritten too. */
  public RewriteOptions withCpuid(int port) {
    return new RewriteOptions(rdtscPort, rdtscpPort, OptionalInt.of(port));
  }

  /** Whether anything is to be rewritten. */
  public boolean any() {
    return rdtscPort.isPresent() || rdtscpPort.isPresent() || cpuidPort.isPresent();
  }

  private static void check(OptionalInt port) {
    if (port.isPresent() && (port.getAsInt() & ~0xff) != 0) {
      throw new IllegalArgumentException("port " + port.getAsInt() + " does not fit IN EAX, imm8");
    }
  }
}
