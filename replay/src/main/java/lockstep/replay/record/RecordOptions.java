package lockstep.replay.record;

import java.util.concurrent.TimeUnit;

/**
 * How a recorder places inputs, and how often it writes digests.
 *
 * @param stepReach what can be single-stepped; {@link StepReach#NONE} switches placement step off
 * @param timePerStepTime of the guest's time one part in so many goes to single steps at most; 1
 *     for no such bound
 * @param stateSync whether an input that waits too long is placed by state-sync
 * @param maxInputDelayNanos how long an input waits for a guest exit before that
 * @param machineDigestNanos how often the whole machine is digested
 * @param exitsPerRegisters guest exits between two logged register files
 */
public record RecordOptions(
    StepReach stepReach,
    int timePerStepTime,
    boolean stateSync,
    long maxInputDelayNanos,
    long machineDigestNanos,
    long exitsPerRegisters) {

  /**
   * Steps cost tens of microseconds each: without a bound, a Linux whose host is busy does nothing
   * but take the ticks that it is owed, and never finishes to boot (seen).
   */
  public static final int DEFAULT_TIME_PER_STEP_TIME = 10;

  /** VM-FT has none; 50 ms is below what a person notices and above a busy host's hiccups. */
  public static final long DEFAULT_MAX_INPUT_DELAY_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

  /** A digest of 64 MiB takes about 10 ms: a thousandth of this. */
  public static final long DEFAULT_MACHINE_DIGEST_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** A tenth of a byte an exit. */
  public static final long DEFAULT_EXITS_PER_REGISTERS = 1024;

  /** Checks the ranges. */
  public RecordOptions {
    if (timePerStepTime < 1
        || maxInputDelayNanos < 0
        || machineDigestNanos <= 0
        || exitsPerRegisters < 1) {
      throw new IllegalArgumentException(
          "one part in %d for steps, delay %d ns, digest every %d ns, registers every %d exits"
              .formatted(
                  timePerStepTime, maxInputDelayNanos, machineDigestNanos, exitsPerRegisters));
    }
  }

  /** All placements that work without a performance counter, with the default times. */
  public static RecordOptions of(StepReach stepReach) {
    return new RecordOptions(
        stepReach,
        DEFAULT_TIME_PER_STEP_TIME,
        true,
        DEFAULT_MAX_INPUT_DELAY_NANOS,
        DEFAULT_MACHINE_DIGEST_NANOS,
        DEFAULT_EXITS_PER_REGISTERS);
  }
}
