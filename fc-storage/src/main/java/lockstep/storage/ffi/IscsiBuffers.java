package lockstep.storage.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * Memory outside the heap, a piece for each command that may be in flight. It outlives contexts, so
 * that a command can be sent again by another one. One thread.
 */
public final class IscsiBuffers implements AutoCloseable {
  private static final int LEAST_BYTES = 1 << 12;

  private final Arena[] arenas;
  private final MemorySegment[] pieces;

  /** Nothing is allocated yet. */
  public IscsiBuffers(int slots) {
    arenas = new Arena[slots];
    pieces = new MemorySegment[slots];
    Arrays.fill(pieces, MemorySegment.NULL);
  }

  /** The number of slots. */
  public int slots() {
    return pieces.length;
  }

  /**
   * The first bytes of a slot's memory, which grows to what is asked for. Safe as long as no
   * command of that slot is in flight, since growing frees the former memory.
   */
  public ByteBuffer take(int slot, int bytes) {
    if (pieces[slot].byteSize() < bytes) {
      free(slot);
      Arena arena = Arena.ofConfined();
      arenas[slot] = arena;
      pieces[slot] =
          arena.allocate(Math.max(LEAST_BYTES, Integer.highestOneBit(bytes - 1) * 2L), LEAST_BYTES);
    }
    return view(slot, bytes);
  }

  /** The same, for what has come in. */
  public ByteBuffer view(int slot, int bytes) {
    return pieces[slot].asSlice(0, bytes).asByteBuffer();
  }

  MemorySegment piece(int slot) {
    return pieces[slot];
  }

  private void free(int slot) {
    if (!pieces[slot].equals(MemorySegment.NULL)) {
      arenas[slot].close();
      pieces[slot] = MemorySegment.NULL;
    }
  }

  @Override
  public void close() {
    for (int slot = 0; slot < pieces.length; slot++) {
      free(slot);
    }
  }
}
