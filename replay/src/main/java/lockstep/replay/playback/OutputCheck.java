package lockstep.replay.playback;

import java.util.function.LongSupplier;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.output.OutputSink;
import lockstep.replay.log.EntrySource;
import lockstep.replay.log.ExitRoll;
import lockstep.replay.log.LogEntry;

/** The replayed machine's way out: what comes there must be in the log, at the same guest exit. */
final class OutputCheck {
  private final EntrySource log;
  private final FirstDifference difference;
  private final LongSupplier exits;
  private final ExitRoll roll;
  private long lastExit = -1;

  /**
   * @param exits how many guest exits the replay has made
   * @param roll takes in disk requests, for the next digest
   */
  OutputCheck(EntrySource log, FirstDifference difference, LongSupplier exits, ExitRoll roll) {
    this.log = log;
    this.difference = difference;
    this.exits = exits;
    this.roll = roll;
  }

  /** Checks that every output was recorded, then passes it on. Reads of a disk are none. */
  OutputSink before(OutputSink next) {
    return new OutputSink() {
      @Override
      public void consoleByte(int value) {
        check();
        next.consoleByte(value);
      }

      @Override
      public void request(int disk, BlockRequest request) {
        roll.add(disk, request);
        if (request.changes()) {
          check();
        }
        next.request(disk, request);
      }
    };
  }

  /** The log has one entry for all outputs of an exit. */
  private void check() {
    long now = exits.getAsLong();
    if (lastExit == now) {
      return;
    }
    lastExit = now;
    if (log.peek() instanceof LogEntry.Output output && output.exits() == now) {
      log.take();
    } else if (log.peekKind() != null) {
      difference.add(
          Divergence.Kind.OUTPUT, now, log.position(), Descriptions.ofNext(log), "an output");
    }
  }
}
