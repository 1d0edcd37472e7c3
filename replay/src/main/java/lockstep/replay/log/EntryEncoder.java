package lockstep.replay.log;

import java.util.Arrays;
import java.util.List;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.state.Bytes;

/** Turns entries into bytes (docs/log-format.md). A clock reading allocates nothing once warm. */
final class EntryEncoder {
  /** A clock reading: the low bits hold the low part of the time since the last one. */
  static final int CLOCK_BIT = 0x80;

  /** In a clock's head: more of the number follows. */
  static final int CLOCK_MORE = 0x40;

  static final int CLOCK_LOW_BITS = 6;

  /**
   * What a block may hold: CPU state, device state and checksums are far below, and so are the
   * pages of one entry. For both directions, so that nothing is written that cannot be read.
   */
  static final int MAX_PACKED_BYTES = 1 << 24;

  /** What one entry may take; the largest are digests of whole machines, far below. */
  static final int MAX_ENTRY_BYTES = 1 << 26;

  private byte[] bytes = new byte[1 << 16];
  private int length;
  private int entries;
  private long lastClockNanos;
  private long lastExits;

  /** What was encoded since {@link #clear}. */
  byte[] bytes() {
    return bytes;
  }

  int length() {
    return length;
  }

  int entries() {
    return entries;
  }

  void clear() {
    length = 0;
    entries = 0;
  }

  void clock(long nanos) {
    long delta = nanos - lastClockNanos;
    if (delta < 0) {
      throw new IllegalArgumentException("clock " + nanos + " after " + lastClockNanos);
    }
    lastClockNanos = nanos;
    int low = (int) delta & (1 << CLOCK_LOW_BITS) - 1;
    long rest = delta >>> CLOCK_LOW_BITS;
    put(CLOCK_BIT | (rest != 0 ? CLOCK_MORE : 0) | low);
    if (rest != 0) {
      varint(rest);
    }
    entries++;
  }

  void entry(LogEntry entry) {
    if (entry instanceof LogEntry.Clock clock) {
      clock(clock.nanos());
      return;
    }
    int start = length;
    long clockBefore = lastClockNanos;
    long exitsBefore = lastExits;
    try {
      put(entry.kind().wire());
      content(entry);
      if (length - start > MAX_ENTRY_BYTES) {
        throw new IllegalArgumentException(
            "a log entry of %d bytes, with %d the most".formatted(length - start, MAX_ENTRY_BYTES));
      }
    } catch (IllegalArgumentException e) {
      // What no reader would take is not written, nor any part of it.
      length = start;
      lastClockNanos = clockBefore;
      lastExits = exitsBefore;
      throw e;
    }
    entries++;
  }

  private void content(LogEntry entry) {
    switch (entry) {
      case LogEntry.Clock _ -> throw new IllegalStateException("encoded above");
      case LogEntry.Entropy entropy -> {
        put(entropy.content().size());
        raw(entropy.content().toArray(), entropy.content().size());
      }
      case LogEntry.Point point -> point(point.at());
      case LogEntry.Pages pages -> pages(pages.pages());
      case LogEntry.Input input -> input(input.input());
      case LogEntry.Delivery delivery -> put(delivery.vector());
      case LogEntry.Output output -> exits(output.exits());
      case LogEntry.ExitDigest digest -> {
        exits(digest.exits());
        fixed(digest.digest(), Integer.BYTES);
      }
      case LogEntry.Registers registers -> {
        exits(registers.exits());
        registers.values().forEach(value -> fixed(value, Long.BYTES));
      }
      case LogEntry.MachineDigest machine -> {
        exits(machine.exits());
        varint(machine.digest().chunkBytes());
        packed(machine.digest().cpuState());
        packed(machine.digest().devices());
        packed(machine.digest().memory());
      }
      case LogEntry.End end -> {
        exits(end.exits());
        put(end.how().wire());
      }
    }
  }

  private void point(ExecutionPoint point) {
    switch (point) {
      case ExecutionPoint.AtExit at -> {
        put(PointKind.AT_EXIT);
        exits(at.exits());
      }
      case ExecutionPoint.Step step -> {
        put(PointKind.STEP);
        exits(step.exits());
        varint(step.steps());
      }
      case ExecutionPoint.Counter counter -> {
        put(PointKind.COUNTER);
        exits(counter.exits());
        varint(counter.count());
        fixed(counter.rip(), Long.BYTES);
        fixed(counter.rcx(), Long.BYTES);
        fixed(counter.registerDigest(), Long.BYTES);
      }
      case ExecutionPoint.StateSync sync -> {
        put(PointKind.STATE_SYNC);
        exits(sync.exits());
        packed(sync.cpuState());
        varint(sync.pages());
      }
    }
  }

  private void pages(List<LogEntry.Page> pages) {
    varint(pages.size());
    byte[] contents = new byte[pages.size() * PointKind.PAGE_BYTES];
    long last = 0;
    int at = 0;
    for (LogEntry.Page page : pages) {
      long number = page.address() / PointKind.PAGE_BYTES;
      zigzag(number - last);
      last = number;
      page.content().copyTo(0, contents, at, PointKind.PAGE_BYTES);
      at += PointKind.PAGE_BYTES;
    }
    pack(contents);
  }

  private void input(ExternalInput input) {
    switch (input) {
      case ExternalInput.TimerExpiry expiry -> {
        put(InputKind.TIMER);
        put(expiry.timer());
        zigzag(expiry.nowNanos() - lastClockNanos);
      }
      case ExternalInput.ConsoleBytes console -> {
        put(InputKind.CONSOLE);
        byte[] content = console.content().toArray();
        varint(content.length);
        raw(content, content.length);
      }
      case ExternalInput.DiskCompletion disk -> {
        put(InputKind.DISK);
        put(disk.disk());
        put(disk.status().wire());
        varint(disk.id());
        packed(disk.data());
      }
      case ExternalInput.HostDecision decision -> {
        put(InputKind.DECISION);
        put(
            switch (decision.decision()) {
              case STOP -> InputKind.STOP;
              case RESET -> InputKind.RESET;
            });
      }
    }
  }

  private void exits(long exits) {
    if (exits < lastExits) {
      throw new IllegalArgumentException("exit " + exits + " after " + lastExits);
    }
    varint(exits - lastExits);
    lastExits = exits;
  }

  private void packed(Bytes content) {
    pack(content.toArray());
  }

  private void pack(byte[] content) {
    if (content.length > MAX_PACKED_BYTES) {
      throw new IllegalArgumentException(
          "a block of %d bytes in a log entry, with %d the most"
              .formatted(content.length, MAX_PACKED_BYTES));
    }
    varint(content.length);
    if (content.length > 0) {
      byte[] compressed = BlockPacking.pack(content);
      varint(compressed.length);
      raw(compressed, compressed.length);
    }
  }

  private void zigzag(long value) {
    varint((value << 1) ^ (value >> 63));
  }

  /** Seven bits a byte, low ones first; the top bit says that more follow. */
  private void varint(long value) {
    long rest = value;
    while ((rest & ~0x7fL) != 0) {
      put((int) ((rest & 0x7f) | 0x80));
      rest >>>= 7;
    }
    put((int) rest);
  }

  private void fixed(long value, int sizeBytes) {
    for (int i = 0; i < sizeBytes; i++) {
      put((int) (value >>> (8 * i)));
    }
  }

  private void raw(byte[] content, int count) {
    reserve(count);
    System.arraycopy(content, 0, bytes, length, count);
    length += count;
  }

  private void put(int value) {
    reserve(1);
    bytes[length++] = (byte) value;
  }

  private void reserve(int count) {
    if (bytes.length - length < count) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, Math.addExact(length, count)));
    }
  }
}
