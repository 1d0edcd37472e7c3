package lockstep.replay.playback;

import java.util.function.LongSupplier;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.output.DiskSink;
import lockstep.monitor.output.OutputSink;
import lockstep.replay.log.EntrySource;
import lockstep.replay.log.LogEntry;

/** The replayed machine's ways out: what comes there must be in the log, at the same guest exit. */
final class OutputCheck {
  private final EntrySource log;
  private final FirstDifference difference;
  private final LongSupplier exits;
  private long lastExit = -1;

  /**
   * @param exits how many guest exits the replay has made
   */
  OutputCheck(EntrySource log, FirstDifference difference, LongSupplier exits) {
    this.log = log;
    this.difference = difference;
    this.exits = exits;
  }

  /** The console: checks that every output was recorded, then passes it on. */
  OutputSink console(OutputSink next) {
    return value -> {
      check();
      next.consoleByte(value);
    };
  }

  /** The disk: checks the same of what may change the medium, then passes it on. */
  DiskSink disk(DiskSink next) {
    return request -> {
      if (!(request instanceof BlockRequest.Read)) {
        check();
      }
      next.request(request);
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
