package lockstep.replay.ft;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.state.Bytes;

/** What a simulated guest knows: a hash of its life, its console, its disk. */
final class SimMemory {
  static final int BLOCKS = 4;
  static final int BLOCK_BYTES = 512;

  private static final int READ = 1;
  private static final int WRITE = 2;
  private static final int FLUSH = 3;

  /** A hash over all that the guest has seen. */
  long hash = 1;

  /** Console bytes of its whole life. */
  long consoleBytes;

  long exits;
  long nextId = 1;

  /** What it still does before it waits. */
  int todo;

  boolean halted;
  boolean interrupt;
  boolean powerOff;
  long deadlineNanos = Long.MAX_VALUE;

  /** Of each block: the number of the last write that was asked for, and that was done. */
  final long[] issued = new long[BLOCKS];

  final long[] done = new long[BLOCKS];

  /** Requests without a completion, oldest first. */
  final List<BlockRequest> inFlight = new ArrayList<>();

  void mix(long value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15L;
    hash ^= hash >>> 32;
  }

  /** A block's content as its write number {@code number} makes it. */
  Bytes content(int block, long number) {
    return contentOf(number, hash * 31 + block);
  }

  /** A block's content. */
  static Bytes contentOf(long number, long data) {
    return Bytes.copyOf(ByteBuffer.allocate(BLOCK_BYTES).putLong(number).putLong(data).array());
  }

  boolean isBusy(int block) {
    for (BlockRequest request : inFlight) {
      if (blockOf(request) == block) {
        return true;
      }
    }
    return false;
  }

  boolean isFlushing() {
    return inFlight.stream().anyMatch(BlockRequest.Flush.class::isInstance);
  }

  /** Which block; -1 for all. */
  static int blockOf(BlockRequest request) {
    return switch (request) {
      case BlockRequest.Read read -> (int) (read.offsetBytes() / BLOCK_BYTES);
      case BlockRequest.Write write -> (int) (write.offsetBytes() / BLOCK_BYTES);
      case BlockRequest.Flush _ -> -1;
      case BlockRequest.Discard _ -> throw new IllegalArgumentException("no discards here");
    };
  }

  byte[] encode() {
    int size = 5 * 8 + 4 * 4 + 2 * 8 * BLOCKS + 8 + inFlight.size() * 32;
    ByteBuffer out = ByteBuffer.allocate(size);
    out.putLong(hash).putLong(consoleBytes).putLong(exits).putLong(nextId).putLong(deadlineNanos);
    out.putInt(todo).putInt(flag(halted)).putInt(flag(interrupt)).putInt(flag(powerOff));
    for (long[] numbers : new long[][] {issued, done}) {
      for (long number : numbers) {
        out.putLong(number);
      }
    }
    out.putLong(inFlight.size());
    for (BlockRequest request : inFlight) {
      out.putLong(request.id());
      switch (request) {
        case BlockRequest.Read _ -> out.putInt(READ).putInt(blockOf(request)).putLong(0).putLong(0);
        case BlockRequest.Write write ->
            out.putInt(WRITE)
                .putInt(blockOf(request))
                .putLong(write.data().asBuffer().getLong(0))
                .putLong(write.data().asBuffer().getLong(Long.BYTES));
        case BlockRequest.Flush _ -> out.putInt(FLUSH).putInt(0).putLong(0).putLong(0);
        case BlockRequest.Discard _ -> throw new IllegalArgumentException("no discards here");
      }
    }
    return out.array();
  }

  private static int flag(boolean value) {
    return value ? 1 : 0;
  }

  void decode(byte[] bytes) {
    ByteBuffer in = ByteBuffer.wrap(bytes);
    hash = in.getLong();
    consoleBytes = in.getLong();
    exits = in.getLong();
    nextId = in.getLong();
    deadlineNanos = in.getLong();
    todo = in.getInt();
    halted = in.getInt() == 1;
    interrupt = in.getInt() == 1;
    powerOff = in.getInt() == 1;
    for (long[] numbers : new long[][] {issued, done}) {
      for (int i = 0; i < BLOCKS; i++) {
        numbers[i] = in.getLong();
      }
    }
    inFlight.clear();
    long requests = in.getLong();
    for (long i = 0; i < requests; i++) {
      inFlight.add(request(in));
    }
  }

  private static BlockRequest request(ByteBuffer in) {
    long id = in.getLong();
    int kind = in.getInt();
    int block = in.getInt();
    long number = in.getLong();
    long data = in.getLong();
    long offset = (long) block * BLOCK_BYTES;
    return switch (kind) {
      case READ -> new BlockRequest.Read(id, offset, BLOCK_BYTES);
      case WRITE -> new BlockRequest.Write(id, offset, contentOf(number, data), false);
      case FLUSH -> new BlockRequest.Flush(id);
      default -> throw new IllegalArgumentException("a request of kind " + kind);
    };
  }
}
