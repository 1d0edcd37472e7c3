package lockstep.monitor;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import lockstep.monitor.bus.DmaMemory;

/** RAM from address 0 in an array, as strict as the real one. */
public final class TestRam implements DmaMemory {
  private final ByteBuffer content;

  /** RAM of zeros. */
  public TestRam(int sizeBytes) {
    content = ByteBuffer.allocate(sizeBytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** All of it; changes show. */
  public byte[] array() {
    return content.array();
  }

  @Override
  public boolean contains(long address, long lengthBytes) {
    return address >= 0
        && lengthBytes >= 0
        && address < content.capacity()
        && lengthBytes <= content.capacity() - address;
  }

  private int at(long address, int lengthBytes) {
    if (!contains(address, lengthBytes)) {
      throw new IndexOutOfBoundsException("0x%x+%d".formatted(address, lengthBytes));
    }
    return (int) address;
  }

  @Override
  public int readShort(long address) {
    return content.getShort(at(address, 2)) & 0xffff;
  }

  @Override
  public int readInt(long address) {
    return content.getInt(at(address, 4));
  }

  @Override
  public long readLong(long address) {
    return content.getLong(at(address, 8));
  }

  @Override
  public void read(long address, byte[] into, int offset, int lengthBytes) {
    content.get(at(address, lengthBytes), into, offset, lengthBytes);
  }

  @Override
  public void writeByte(long address, int value) {
    content.put(at(address, 1), (byte) value);
  }

  @Override
  public void writeShort(long address, int value) {
    content.putShort(at(address, 2), (short) value);
  }

  @Override
  public void writeInt(long address, int value) {
    content.putInt(at(address, 4), value);
  }

  /** Eight bytes, little-endian: for the driver's side. */
  public void writeLong(long address, long value) {
    content.putLong(at(address, 8), value);
  }

  @Override
  public void write(long address, ByteBuffer from) {
    content.put(at(address, from.remaining()), from, from.position(), from.remaining());
  }

  /** The same from part of an array. */
  public void write(long address, byte[] from, int offset, int lengthBytes) {
    write(address, ByteBuffer.wrap(from, offset, lengthBytes));
  }
}
