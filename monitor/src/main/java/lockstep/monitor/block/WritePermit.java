package lockstep.monitor.block;

/**
 * Says whether requests that change a disk may reach it at this moment. A side of a pair that does
 * not know whether it is still the VM holds them, and one that has lost drops them. Asked by the
 * thread that makes the system call, right before it. Any thread; answers at once.
 */
@FunctionalInterface
public interface WritePermit {
  /** What may be done with such a request. */
  enum Answer {
    /** It may reach the medium. */
    START,
    /** Not now; the answer may change. */
    HOLD,
    /** Never; the answer does not change any more. */
    DROP
  }

  /** For a disk that nobody else writes to. */
  WritePermit ALWAYS = () -> Answer.START;

  /** The answer at this moment. */
  Answer now();
}
