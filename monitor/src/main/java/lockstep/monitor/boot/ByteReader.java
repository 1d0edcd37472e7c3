package lockstep.monitor.boot;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Little-endian reads from a file image at offsets that come from the file itself. An offset
 * outside is the file's fault, so it is a {@link BootException} and never an index error.
 */
final class ByteReader {
  private static final VarHandle U16 =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle U32 =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle U64 =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final String file;
  private final byte[] bytes;

  ByteReader(String file, byte[] bytes) {
    this.file = file;
    this.bytes = bytes;
  }

  int size() {
    return bytes.length;
  }

  boolean has(long offset, long length) {
    return offset >= 0 && length >= 0 && offset <= bytes.length - length;
  }

  /** Checks a range given by the file and returns its offset as an array index. */
  int range(long offset, long length, String what) throws BootException {
    if (!has(offset, length)) {
      throw new BootException(
          file,
          "truncated: bytes 0x%x..0x%x (%s) are missing from a file of 0x%x bytes"
              .formatted(offset, offset + length, what, bytes.length),
          "copy or build it again");
    }
    return (int) offset;
  }

  int u8(long offset, String what) throws BootException {
    return bytes[range(offset, 1, what)] & 0xff;
  }

  int u16(long offset, String what) throws BootException {
    return (short) U16.get(bytes, range(offset, 2, what)) & 0xffff;
  }

  long u32(long offset, String what) throws BootException {
    return (int) U32.get(bytes, range(offset, 4, what)) & 0xffff_ffffL;
  }

  long u64(long offset, String what) throws BootException {
    return (long) U64.get(bytes, range(offset, 8, what));
  }
}
