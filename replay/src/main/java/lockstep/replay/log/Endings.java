package lockstep.replay.log;

import lockstep.monitor.vcpu.RunResult;

/** How a run's result stands in the log. */
public final class Endings {
  private Endings() {}

  /** The log's word for it. */
  public static LogEntry.Ending of(RunResult result) {
    return switch (result) {
      case RunResult.Stopped _ -> LogEntry.Ending.STOPPED;
      case RunResult.ExitPort _ -> LogEntry.Ending.EXIT_PORT;
      case RunResult.Reset _ -> LogEntry.Ending.RESET;
      case RunResult.HaltedForGood _ -> LogEntry.Ending.HALTED_FOR_GOOD;
      case RunResult.Fenced _ -> LogEntry.Ending.FENCED;
      case RunResult.Crashed _ -> LogEntry.Ending.CRASHED;
    };
  }
}
