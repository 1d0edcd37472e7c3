package lockstep.monitor.bus;

import java.nio.ByteBuffer;

/**
 * Guest RAM as a device reaches it that reads and writes memory by itself. Addresses are
 * guest-physical and come from the guest: ask {@link #contains} first; every other method throws an
 * unchecked exception for a range that is not RAM. vCPU thread only; nothing allocates.
 */
public interface DmaMemory {
  /** Whether the whole range is RAM, in one block. Never overflows. */
  boolean contains(long address, long lengthBytes);

  /** Two bytes, little-endian, 0..65535. */
  int readShort(long address);

  /** Four bytes, little-endian. */
  int readInt(long address);

  /** Eight bytes, little-endian. */
  long readLong(long address);

  /** Copies out of the guest. */
  void read(long address, byte[] into, int offset, int lengthBytes);

  /** Sets one byte. */
  void writeByte(long address, int value);

  /** Sets two bytes, little-endian. */
  void writeShort(long address, int value);

  /** Sets four bytes, little-endian. */
  void writeInt(long address, int value);

  /** Copies what is left in the buffer into the guest, and leaves its position. */
  void write(long address, ByteBuffer from);
}
