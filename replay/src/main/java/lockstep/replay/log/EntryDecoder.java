package lockstep.replay.log;

import java.util.ArrayList;
import java.util.List;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.state.Bytes;

/**
 * Turns bytes into entries. The bytes may come from anywhere: every length is checked before it is
 * believed. Whatever is wrong comes out as an {@link IllegalArgumentException} that says what.
 */
final class EntryDecoder {
  private byte[] bytes = {};
  private int position;
  private int limit;
  private long lastClockNanos;
  private long lastExits;

  /** Decodes from here on; the array must not change until all of it was read. */
  void reset(byte[] from, int start, int end) {
    bytes = from;
    position = start;
    limit = end;
  }

  int position() {
    return position;
  }

  /** The kind of the entry that starts here. */
  LogEntry.Kind kind() {
    if (position >= limit) {
      throw new IllegalArgumentException("an entry of no bytes");
    }
    int head = bytes[position] & 0xff;
    if ((head & EntryEncoder.CLOCK_BIT) != 0) {
      return LogEntry.Kind.CLOCK;
    }
    // By number, without a loop: the kinds are numbered from 1 in their order, which a test holds.
    if (head < 1 || head > KINDS.length || head == LogEntry.Kind.CLOCK.wire()) {
      throw new IllegalArgumentException("no kind of entry " + head);
    }
    return KINDS[head - 1];
  }

  private static final LogEntry.Kind[] KINDS = LogEntry.Kind.values();

  /** A clock reading, which {@link #kind} has announced. */
  long clock() {
    int head = next();
    long delta = head & (1 << EntryEncoder.CLOCK_LOW_BITS) - 1;
    if ((head & EntryEncoder.CLOCK_MORE) != 0) {
      delta |= varint() << EntryEncoder.CLOCK_LOW_BITS;
    }
    long nanos = lastClockNanos + delta;
    if (delta < 0 || nanos < 0) {
      throw new IllegalArgumentException("a clock reading beyond all time");
    }
    lastClockNanos = nanos;
    return nanos;
  }

  LogEntry entry() {
    LogEntry.Kind kind = kind();
    if (kind == LogEntry.Kind.CLOCK) {
      return new LogEntry.Clock(clock());
    }
    next();
    return switch (kind) {
      case CLOCK -> throw new IllegalStateException("decoded above");
      case ENTROPY -> new LogEntry.Entropy(raw(next()));
      case POINT -> new LogEntry.Point(point());
      case PAGES -> new LogEntry.Pages(pages());
      case INPUT -> new LogEntry.Input(input());
      case DELIVERY -> new LogEntry.Delivery(next());
      case OUTPUT -> new LogEntry.Output(exits());
      case EXIT_DIGEST -> new LogEntry.ExitDigest(exits(), (int) fixed(Integer.BYTES));
      case REGISTERS -> {
        long exits = exits();
        List<Long> values = new ArrayList<>();
        for (int i = 0; i < LogEntry.Registers.COUNT; i++) {
          values.add(fixed(Long.BYTES));
        }
        yield new LogEntry.Registers(exits, values);
      }
      case MACHINE_DIGEST -> {
        long exits = exits();
        int chunkBytes = count(Integer.MAX_VALUE);
        yield new LogEntry.MachineDigest(
            exits, new MachineDigest(packed(), packed(), chunkBytes, packed()));
      }
      case END -> new LogEntry.End(exits(), ending(next()));
    };
  }

  private static LogEntry.Ending ending(int wire) {
    for (LogEntry.Ending ending : LogEntry.Ending.values()) {
      if (ending.wire() == wire) {
        return ending;
      }
    }
    throw new IllegalArgumentException("no ending " + wire);
  }

  private ExecutionPoint point() {
    int kind = next();
    long exits = exits();
    return switch (kind) {
      case PointKind.AT_EXIT -> new ExecutionPoint.AtExit(exits);
      case PointKind.STEP -> new ExecutionPoint.Step(exits, count(ExecutionPoint.Step.MAX_STEPS));
      case PointKind.COUNTER ->
          new ExecutionPoint.Counter(
              exits, varint(), fixed(Long.BYTES), fixed(Long.BYTES), fixed(Long.BYTES));
      case PointKind.STATE_SYNC -> new ExecutionPoint.StateSync(exits, packed(), varint());
      default -> throw new IllegalArgumentException("no kind of point " + kind);
    };
  }

  private List<LogEntry.Page> pages() {
    int count = count(LogEntry.Pages.MAX_PAGES);
    long[] addresses = new long[count];
    long number = 0;
    for (int i = 0; i < count; i++) {
      number += zigzag();
      if (number < 0 || number > Long.MAX_VALUE / PointKind.PAGE_BYTES) {
        throw new IllegalArgumentException("page number " + number);
      }
      addresses[i] = number * PointKind.PAGE_BYTES;
    }
    byte[] contents = unpack(count * PointKind.PAGE_BYTES);
    if (contents.length != count * PointKind.PAGE_BYTES) {
      throw new IllegalArgumentException(contents.length + " bytes for " + count + " pages");
    }
    List<LogEntry.Page> pages = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      Bytes content = Bytes.copyOf(contents, i * PointKind.PAGE_BYTES, PointKind.PAGE_BYTES);
      pages.add(new LogEntry.Page(addresses[i], content));
    }
    return pages;
  }

  private ExternalInput input() {
    int kind = next();
    return switch (kind) {
      case InputKind.TIMER -> {
        int timer = next();
        yield new ExternalInput.TimerExpiry(timer, lastClockNanos + zigzag());
      }
      case InputKind.CONSOLE -> {
        int length = count(ExternalInput.ConsoleBytes.MAX_CONSOLE_BYTES);
        yield new ExternalInput.ConsoleBytes(raw(length));
      }
      case InputKind.DISK -> {
        int disk = next();
        if (disk >= MachineLayout.MAX_DISKS) {
          throw new IllegalArgumentException("no disk " + disk);
        }
        ExternalInput.DiskStatus status = diskStatus(next());
        long id = varint();
        byte[] data = unpack(BlockRequest.MAX_TRANSFER_BYTES);
        yield new ExternalInput.DiskCompletion(disk, id, status, Bytes.copyOf(data));
      }
      case InputKind.DECISION ->
          new ExternalInput.HostDecision(
              switch (next()) {
                case InputKind.STOP -> ExternalInput.Decision.STOP;
                case InputKind.RESET -> ExternalInput.Decision.RESET;
                default -> throw new IllegalArgumentException("no such decision");
              });
      default -> throw new IllegalArgumentException("no kind of input " + kind);
    };
  }

  private static ExternalInput.DiskStatus diskStatus(int wire) {
    for (ExternalInput.DiskStatus status : ExternalInput.DiskStatus.values()) {
      if (status.wire() == wire) {
        return status;
      }
    }
    throw new IllegalArgumentException("no status of a disk request " + wire);
  }

  private Bytes raw(int count) {
    need(count);
    Bytes content = Bytes.copyOf(bytes, position, count);
    position += count;
    return content;
  }

  private long exits() {
    long exits = lastExits + varint();
    if (exits < lastExits) {
      throw new IllegalArgumentException("exits that go back");
    }
    lastExits = exits;
    return exits;
  }

  private Bytes packed() {
    return Bytes.copyOf(unpack(EntryEncoder.MAX_PACKED_BYTES));
  }

  private byte[] unpack(int mostBytes) {
    int size = count(mostBytes);
    if (size == 0) {
      return new byte[0];
    }
    int packedBytes = count(Integer.MAX_VALUE);
    need(packedBytes);
    byte[] content = new byte[size];
    BlockPacking.unpack(content, bytes, position, packedBytes);
    position += packedBytes;
    return content;
  }

  private int count(int most) {
    long value = varint();
    if (value < 0 || value > most) {
      throw new IllegalArgumentException("a count of " + value + ", with " + most + " the most");
    }
    return (int) value;
  }

  private long zigzag() {
    long value = varint();
    return (value >>> 1) ^ -(value & 1);
  }

  private long varint() {
    long value = 0;
    for (int shift = 0; shift < Long.SIZE; shift += 7) {
      int part = next();
      value |= (long) (part & 0x7f) << shift;
      if ((part & 0x80) == 0) {
        return value;
      }
    }
    throw new IllegalArgumentException("a number without end");
  }

  private long fixed(int sizeBytes) {
    need(sizeBytes);
    long value = 0;
    for (int i = 0; i < sizeBytes; i++) {
      value |= (bytes[position++] & 0xffL) << (8 * i);
    }
    return value;
  }

  private int next() {
    need(1);
    return bytes[position++] & 0xff;
  }

  private void need(int count) {
    if (count > limit - position) {
      throw new IllegalArgumentException("an entry that ends before its end");
    }
  }
}
