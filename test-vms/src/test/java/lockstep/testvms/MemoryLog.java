package lockstep.testvms;

import java.util.ArrayList;
import java.util.List;
import lockstep.replay.log.EntrySink;
import lockstep.replay.log.EntrySource;
import lockstep.replay.log.LogEntry;
import org.jspecify.annotations.Nullable;

/** A log in memory, so that tests can look at entries and change them. */
final class MemoryLog implements EntrySink {
  private final List<LogEntry> entries = new ArrayList<>();

  @Override
  public void clock(long nanos) {
    entries.add(new LogEntry.Clock(nanos));
  }

  @Override
  public void append(LogEntry entry) {
    entries.add(entry);
  }

  /** All entries so far. */
  List<LogEntry> entries() {
    return List.copyOf(entries);
  }

  /** Reads a list of entries. */
  static EntrySource source(List<LogEntry> entries) {
    return new Source(entries);
  }

  private static final class Source implements EntrySource {
    private final List<LogEntry> entries;
    private int next;

    Source(List<LogEntry> entries) {
      this.entries = List.copyOf(entries);
    }

    @Override
    public LogEntry.@Nullable Kind peekKind() {
      return next < entries.size() ? entries.get(next).kind() : null;
    }

    @Override
    public long takeClock() {
      return ((LogEntry.Clock) take()).nanos();
    }

    @Override
    public @Nullable LogEntry peek() {
      return next < entries.size() ? entries.get(next) : null;
    }

    @Override
    public LogEntry take() {
      return entries.get(next++);
    }

    @Override
    public long position() {
      return next;
    }
  }
}
