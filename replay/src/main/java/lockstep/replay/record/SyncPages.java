package lockstep.replay.record;

import java.util.ArrayList;
import java.util.List;
import lockstep.monitor.input.StoppedMachine;
import lockstep.monitor.state.Bytes;
import lockstep.replay.log.EntrySink;
import lockstep.replay.log.LogEntry;

/**
 * The pages of one state-sync on their way to the log: as many entries as they need, and never more
 * than one entry's pages here. vCPU thread.
 */
final class SyncPages implements StoppedMachine.PageSink {
  private final EntrySink log;
  private final List<LogEntry.Page> gathered = new ArrayList<>(LogEntry.Pages.MAX_PAGES);
  private long count;

  SyncPages(EntrySink log) {
    this.log = log;
  }

  @Override
  public void page(long address, byte[] content) {
    gathered.add(new LogEntry.Page(address, Bytes.copyOf(content)));
    count++;
    if (gathered.size() == LogEntry.Pages.MAX_PAGES) {
      append();
    }
  }

  private void append() {
    log.append(new LogEntry.Pages(gathered));
    gathered.clear();
  }

  /** Appends the last ones; returns how many pages there were. */
  long end() {
    if (!gathered.isEmpty()) {
      append();
    }
    return count;
  }
}
