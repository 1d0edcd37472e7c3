package lockstep.monitor.vcpu;

/** How a run of the machine ended. */
public sealed interface RunResult {
  /**
   * The guest ended itself through the exit port.
   *
   * @param code what it wrote, 0..255
   */
  record ExitPort(int code) implements RunResult {}

  /** The guest asked for a reset (keyboard controller, port 92h or CF9h), or the host did. */
  record Reset() implements RunResult {}

  /** The InputSource said stop: the host's decision, or the end of a log. */
  record Stopped() implements RunResult {}

  /** HLT with interrupts disabled: nothing this machine has can wake the CPU again. */
  record HaltedForGood() implements RunResult {}

  /**
   * The storage refused this host, because another one has the disk now: the guest must not go on
   * here.
   *
   * @param reason one line for people
   */
  record Fenced(String reason) implements RunResult {}

  /**
   * The CPU or KVM gave up.
   *
   * @param cause whose doing it is, as far as can be told here
   * @param report one line of what happened, then registers and the bytes at RIP
   */
  record Crashed(Cause cause, String report) implements RunResult {}

  /** Whose doing a crash is. */
  enum Cause {
    /** The guest's: it happens wherever the guest runs. */
    GUEST,
    /** This host's CPU or KVM: it may not happen on another host. */
    HOST
  }
}
