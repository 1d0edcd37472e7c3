package lockstep.monitor;

import java.nio.ByteBuffer;
import java.util.BitSet;
import lockstep.kvm.GuestMemory;
import lockstep.monitor.bus.DmaMemory;

/**
 * The devices' view of guest memory. KVM's dirty log knows only of the guest's own writes, so pages
 * that devices write are remembered here while anyone tracks them.
 */
final class DeviceRam implements DmaMemory {
  private static final int PAGE_SHIFT = 12;

  private final GuestMemory memory;
  private final BitSet dirtyPages = new BitSet();
  private boolean tracking;

  DeviceRam(GuestMemory memory) {
    this.memory = memory;
  }

  /** From now on pages are remembered. */
  void track() {
    tracking = true;
    dirtyPages.clear();
  }

  /** The pages from one number on to another, as words of a dirty log: bit 0 is the first page. */
  void addTo(long[] dirtyLog, long firstPage, long pages) {
    int from = (int) firstPage;
    int end = (int) (firstPage + pages);
    for (int page = dirtyPages.nextSetBit(from);
        page >= 0 && page < end;
        page = dirtyPages.nextSetBit(page + 1)) {
      int index = page - from;
      dirtyLog[index / Long.SIZE] |= 1L << index;
    }
    dirtyPages.clear(from, end);
  }

  private void mark(long address, long lengthBytes) {
    if (tracking && lengthBytes > 0) {
      int first = (int) (address >>> PAGE_SHIFT);
      int last = (int) ((address + lengthBytes - 1) >>> PAGE_SHIFT);
      dirtyPages.set(first, last + 1);
    }
  }

  @Override
  public boolean contains(long address, long lengthBytes) {
    return memory.contains(address, lengthBytes);
  }

  @Override
  public int readShort(long address) {
    return memory.getShort(address);
  }

  @Override
  public int readInt(long address) {
    return memory.getInt(address);
  }

  @Override
  public long readLong(long address) {
    return memory.getLong(address);
  }

  @Override
  public void read(long address, byte[] into, int offset, int lengthBytes) {
    memory.read(address, into, offset, lengthBytes);
  }

  @Override
  public void writeByte(long address, int value) {
    memory.putByte(address, value);
    mark(address, 1);
  }

  @Override
  public void writeShort(long address, int value) {
    memory.putShort(address, value);
    mark(address, Short.BYTES);
  }

  @Override
  public void writeInt(long address, int value) {
    memory.putInt(address, value);
    mark(address, Integer.BYTES);
  }

  @Override
  public void write(long address, ByteBuffer from) {
    memory.write(address, from);
    mark(address, from.remaining());
  }
}
