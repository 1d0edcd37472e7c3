package lockstep.replay.log;

import java.io.IOException;
import java.io.InputStream;
import java.util.EnumMap;
import java.util.Map;
import java.util.OptionalLong;
import lockstep.monitor.input.ExternalInput;

/**
 * What a log consists of.
 *
 * @param kinds entries and bytes of each kind that occurs
 * @param stateBytes the starting state, as it is stored
 * @param guestSeconds guest time from the first clock reading or expiry to the last
 */
public record LogStatistics(Map<LogEntry.Kind, Count> kinds, long stateBytes, double guestSeconds) {
  /** How many, and how many bytes, of one kind. */
  public record Count(long entries, long bytes) {
    private Count plus(long moreBytes) {
      return new Count(entries + 1, bytes + moreBytes);
    }
  }

  /** Reads all of a log. */
  public static LogStatistics of(LogReader log) throws IOException {
    long stateBytes = skip(log.stateStream());
    Map<LogEntry.Kind, Count> kinds = new EnumMap<>(LogEntry.Kind.class);
    EntryEncoder encoder = new EntryEncoder();
    long first = Long.MAX_VALUE;
    long last = 0;
    while (log.peek() != null) {
      LogEntry entry = log.take();
      // What it took in the file: the encoding is a function of the entries before it.
      encoder.clear();
      encoder.entry(entry);
      kinds.merge(
          entry.kind(), new Count(1, encoder.length()), (sum, one) -> sum.plus(one.bytes()));
      OptionalLong nanos = clockNanos(entry);
      if (nanos.isPresent()) {
        first = Math.min(first, nanos.getAsLong());
        last = Math.max(last, nanos.getAsLong());
      }
    }
    return new LogStatistics(kinds, stateBytes, first > last ? 0 : (last - first) / 1e9);
  }

  /** The guest clock at an entry that tells it. */
  private static OptionalLong clockNanos(LogEntry entry) {
    return switch (entry) {
      case LogEntry.Clock clock -> OptionalLong.of(clock.nanos());
      case LogEntry.Input input ->
          input.input() instanceof ExternalInput.TimerExpiry expiry
              ? OptionalLong.of(expiry.nowNanos())
              : OptionalLong.empty();
      case LogEntry.Entropy _,
          LogEntry.Point _,
          LogEntry.Pages _,
          LogEntry.Delivery _,
          LogEntry.Output _,
          LogEntry.ExitDigest _,
          LogEntry.Registers _,
          LogEntry.MachineDigest _,
          LogEntry.End _ ->
          OptionalLong.empty();
    };
  }

  private static long skip(InputStream state) throws IOException {
    byte[] buffer = new byte[1 << 16];
    long bytes = 0;
    for (int n = state.read(buffer); n >= 0; n = state.read(buffer)) {
      bytes += n;
    }
    return bytes;
  }

  /** All entries. */
  public long entries() {
    return kinds.values().stream().mapToLong(Count::entries).sum();
  }

  /** Bytes of all entries, without frame headers. */
  public long entryBytes() {
    return kinds.values().stream().mapToLong(Count::bytes).sum();
  }

  /** Log bytes a second of guest time; 0 where no time passed. */
  public double entryBytesPerSecond() {
    return guestSeconds == 0 ? 0 : entryBytes() / guestSeconds;
  }
}
