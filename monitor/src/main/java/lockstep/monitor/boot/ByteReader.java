package lockstep.monitor.boot;

/**
 * Little-endian reads from a file image at offsets that come from the file itself. An offset
 * outside is the file's fault, so it is a {@link BootException} and never an index error.
 */
final class ByteReader {
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

  // Put together by hand: view VarHandles cost more than all of loading before they are compiled.

  int u16(long offset, String what) throws BootException {
    return pair(range(offset, 2, what));
  }

  long u32(long offset, String what) throws BootException {
    return quad(range(offset, 4, what));
  }

  long u64(long offset, String what) throws BootException {
    int at = range(offset, 8, what);
    return quad(at) | quad(at + 4) << 32;
  }

  private int pair(int at) {
    return (bytes[at] & 0xff) | (bytes[at + 1] & 0xff) << 8;
  }

  private long quad(int at) {
    return pair(at) | (long) pair(at + 2) << 16;
  }
}
