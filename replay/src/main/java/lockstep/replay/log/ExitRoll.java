package lockstep.replay.log;

import java.util.zip.CRC32C;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.input.InputSource.GuestExit;

/**
 * The rolling digest over guest exits and disk requests, in order: kind, size, address and written
 * data of each exit (and so each console byte); disk, operation, place and content of each request.
 * Not for security: it finds accidents. docs/log-format.md has the formula.
 */
public final class ExitRoll {
  /** A digest entry is logged after every exit whose number is a multiple of this. */
  public static final long EXITS_PER_DIGEST = 64;

  /** The golden ratio times 2^64: odd, with its bits well spread. */
  private static final long MULTIPLIER = 0x9e37_79b9_7f4a_7c15L;

  /** Of a disk request, where an exit has its kind; then its operation and its disk. */
  private static final int DISK_REQUEST = 0x40;

  private static final int OPERATION_SHIFT = 8;
  private static final int DISK_SHIFT = 16;

  private final CRC32C crc = new CRC32C();
  private long state;

  /** Takes in a request to one of the machine's disks, with the checksum of what it writes. */
  public void add(int disk, BlockRequest request) {
    switch (request) {
      case BlockRequest.Read read -> add(disk, 1, read.offsetBytes(), read.lengthBytes());
      case BlockRequest.Write write -> {
        crc.reset();
        crc.update(write.data().asBuffer());
        long content = crc.getValue() | (long) write.data().size() << Integer.SIZE;
        add(disk, 2, write.offsetBytes(), content);
      }
      case BlockRequest.Flush _ -> add(disk, 3, 0, 0);
      case BlockRequest.Discard discard ->
          add(disk, 4, discard.offsetBytes(), discard.lengthBytes());
    }
  }

  private void add(int disk, int operation, long offset, long content) {
    mix(DISK_REQUEST | operation << OPERATION_SHIFT | (long) disk << DISK_SHIFT);
    mix(offset);
    mix(content);
  }

  /** Takes in one exit; see {@code InputSource.guestExit}. */
  public void add(GuestExit exit, long address, int sizeBytes, long data) {
    mix(exit.wire() | (long) sizeBytes << 8);
    mix(address);
    mix(data);
  }

  private void mix(long word) {
    long mixed = (state ^ word) * MULTIPLIER;
    state = mixed ^ mixed >>> 32;
  }

  /** The digest of all exits and requests so far. */
  public int digest() {
    return (int) state;
  }
}
