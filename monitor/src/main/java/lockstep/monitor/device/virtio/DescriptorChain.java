package lockstep.monitor.device.virtio;

import java.util.ArrayList;
import java.util.List;
import lockstep.monitor.bus.DmaMemory;

/**
 * One buffer that the driver made available: a chain of descriptors, first those that the device
 * reads, then those that it writes. Where one descriptor ends and the next begins has no meaning
 * (VIRTIO 1.2, 2.7.4): both halves are seen as streams of bytes. Loaded again and again; allocates
 * only for {@link #writable}.
 */
final class DescriptorChain {
  /** The longest chain: as many descriptors as the largest queue has. */
  static final int MAX_DESCRIPTORS = 256;

  /** Bytes of one descriptor: address 8, length 4, flags 2, next 2. */
  static final int DESCRIPTOR_BYTES = 16;

  private static final int LENGTH = 8;
  private static final int FLAGS = 12;
  private static final int NEXT = 14;

  private static final int FLAG_NEXT = 1;
  private static final int FLAG_WRITE = 2;
  private static final int FLAG_INDIRECT = 4;

  private final DmaMemory ram;
  private final long[] addresses = new long[MAX_DESCRIPTORS];
  private final long[] lengths = new long[MAX_DESCRIPTORS];
  private int count;
  private int readableCount;
  private long readableBytes;
  private long writableBytes;

  DescriptorChain(DmaMemory ram) {
    this.ram = ram;
  }

  /**
   * Follows a chain and checks all of it.
   *
   * @param queueTable where the queue's descriptors are; known to be RAM
   * @param queueSize how many
   * @param head the first one, below {@code queueSize}
   * @param indirectAllowed the driver may use a table of its own (VIRTIO_F_INDIRECT_DESC)
   * @return false when it is malformed: a loop, too long, outside RAM, or in a wrong order
   */
  boolean load(long queueTable, int queueSize, int head, boolean indirectAllowed) {
    clear();
    long table = queueTable;
    int size = queueSize;
    int at = head;
    boolean indirect = false;
    int followed = 0;
    // A chain that is longer than its table meets a descriptor twice: a loop.
    while (followed++ < size) {
      long descriptor = table + (long) at * DESCRIPTOR_BYTES;
      long address = ram.readLong(descriptor);
      long length = Integer.toUnsignedLong(ram.readInt(descriptor + LENGTH));
      int flags = ram.readShort(descriptor + FLAGS);
      if ((flags & FLAG_INDIRECT) != 0) {
        if (!indirectAllowed || indirect || !isTable(address, length, flags)) {
          return false;
        }
        indirect = true;
        table = address;
        size = (int) (length / DESCRIPTOR_BYTES);
        at = 0;
        followed = 0;
        continue;
      }
      if (!add(address, length, (flags & FLAG_WRITE) != 0)) {
        return false;
      }
      if ((flags & FLAG_NEXT) == 0) {
        return true;
      }
      at = ram.readShort(descriptor + NEXT);
      if (at >= size) {
        return false;
      }
    }
    return false;
  }

  private void clear() {
    count = 0;
    readableCount = 0;
    readableBytes = 0;
    writableBytes = 0;
  }

  /** An indirect table (VIRTIO 1.2, 2.7.5.3): whole descriptors, in RAM, the end of its chain. */
  private boolean isTable(long address, long length, int flags) {
    return (flags & FLAG_NEXT) == 0
        && length > 0
        && length % DESCRIPTOR_BYTES == 0
        && length / DESCRIPTOR_BYTES <= MAX_DESCRIPTORS
        && ram.contains(address, length);
  }

  private boolean add(long address, long length, boolean write) {
    boolean wrongOrder = !write && count > readableCount;
    if (count == MAX_DESCRIPTORS || wrongOrder || !ram.contains(address, length)) {
      return false;
    }
    addresses[count] = address;
    lengths[count] = length;
    count++;
    if (write) {
      writableBytes += length;
    } else {
      readableCount = count;
      readableBytes += length;
    }
    return true;
  }

  /** How many bytes the device may read. */
  long readableBytes() {
    return readableBytes;
  }

  /** How many bytes the device may write. */
  long writableBytes() {
    return writableBytes;
  }

  /** Copies {@code into.length} bytes out of the readable half, from byte {@code from} of it. */
  void gather(long from, byte[] into) {
    if (from < 0 || from > readableBytes - into.length) {
      throw new IllegalArgumentException(
          "%d bytes from %d of %d".formatted(into.length, from, readableBytes));
    }
    long skip = from;
    int filled = 0;
    for (int i = 0; i < readableCount && filled < into.length; i++) {
      if (skip >= lengths[i]) {
        skip -= lengths[i];
        continue;
      }
      int piece = (int) Math.min(lengths[i] - skip, into.length - filled);
      ram.read(addresses[i] + skip, into, filled, piece);
      filled += piece;
      skip = 0;
    }
  }

  /** The half that the device writes, to be kept until it does. */
  List<GuestBuffer> writable() {
    List<GuestBuffer> buffers = new ArrayList<>(count - readableCount);
    for (int i = readableCount; i < count; i++) {
      if (lengths[i] > 0) {
        buffers.add(new GuestBuffer(addresses[i], lengths[i]));
      }
    }
    return List.copyOf(buffers);
  }
}
