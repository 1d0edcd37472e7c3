package lockstep.replay.playback;

import java.util.Optional;
import lockstep.monitor.input.StoppedMachine;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.log.LogEntry;
import lockstep.sys.SysException;

/**
 * Replays state-syncs. The point is the last of a state-sync's entries, and its pages come before
 * it; a log may end among them. So they stay apart until the point is there: without it the guest
 * continues at the exit where it is, whose memory is whole. vCPU thread only.
 */
final class StateSyncs {
  private StateSyncs() {}

  /** Keeps pages for the point that follows; says what is wrong with them. */
  static Optional<String> stage(LogEntry.Pages entry, StoppedMachine machine) throws SysException {
    for (LogEntry.Page page : entry.pages()) {
      try {
        machine.stagePage(page.address(), page.content().toArray());
      } catch (IllegalArgumentException e) {
        return Optional.of(String.valueOf(e.getMessage()));
      }
    }
    return Optional.empty();
  }

  /** Brings the machine to where the recorded one was; says what is wrong if it cannot. */
  static Optional<String> apply(ExecutionPoint.StateSync sync, StoppedMachine machine)
      throws SysException {
    long pages = machine.takeStagedPages();
    if (pages != sync.pages()) {
      return Optional.of("a state-sync of %d pages".formatted(pages));
    }
    machine.replaceCpuState(sync.cpuState().toArray());
    return Optional.empty();
  }
}
