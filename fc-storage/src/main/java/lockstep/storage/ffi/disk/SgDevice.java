package lockstep.storage.ffi.disk;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.SysException;
import lockstep.uapi.block_h;
import lockstep.uapi.posix_h;
import lockstep.uapi.sg_io_hdr;

/**
 * A SCSI device of this host that takes raw commands, by the kernel's SG_IO
 * (Documentation/scsi/scsi-generic.rst; include/scsi/sg.h). Any thread; a call blocks it.
 */
public final class SgDevice implements AutoCloseable {
  /** A request to reset no more than the unit; SG_SCSI_RESET_NO_ESCALATE, Linux 3.19. */
  private static final int NO_ESCALATE = 0x100;

  private static final int SENSE_BYTES = 96;

  /** What is wanted of a driver that it does not know. */
  private static final int DRIVER_SENSE = 0x08;

  private static final int DRIVER_MASK = 0x0f;

  private final Fd fd;

  private SgDevice(Fd fd) {
    this.fd = fd;
  }

  /**
   * How a command ended.
   *
   * @param hostStatus 0 unless the host's adapter has no answer of the unit (DID_*)
   * @param driverStatus 0 unless the kernel's driver failed it
   * @param status the unit's status byte
   * @param sense sense data as it came
   * @param data what came in
   */
  @SuppressWarnings("ArrayRecordComponent") // handed on, never compared
  public record Answer(int hostStatus, int driverStatus, int status, byte[] sense, byte[] data) {}

  /**
   * Opens a device.
   *
   * @throws SysException when it cannot be opened, or takes no raw commands (ENOTTY, EINVAL)
   */
  public static SgDevice open(String path) throws SysException {
    Fd fd = Posix.open(path, posix_h.O_RDWR | posix_h.O_NONBLOCK);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment version = arena.allocate(JAVA_INT);
      // Safe: the kernel writes one int, for which there is room.
      Posix.ioctl(fd, block_h.SG_GET_VERSION_NUM, version.address(), "SG_GET_VERSION_NUM");
      return new SgDevice(fd);
    } catch (SysException e) {
      fd.close();
      throw e;
    }
  }

  /**
   * Sends one command and waits for its end.
   *
   * @param cdb 6 to 16 bytes
   * @param out what goes to the unit; empty for none
   * @param inBytes how much may come, when nothing goes out
   * @throws SysException when the kernel does not take it
   */
  public Answer send(byte[] cdb, byte[] out, int inBytes, int timeoutMillis) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      int bytes = Math.max(out.length, inBytes);
      MemorySegment data = arena.allocate(Math.max(1, bytes), 512);
      MemorySegment.copy(out, 0, data, JAVA_BYTE, 0, out.length);
      MemorySegment sense = arena.allocate(SENSE_BYTES, 8);
      MemorySegment header = sg_io_hdr.allocate(arena);
      sg_io_hdr.interface_id(header, 'S');
      sg_io_hdr.dxfer_direction(
          header,
          out.length > 0
              ? block_h.SG_DXFER_TO_DEV
              : inBytes > 0 ? block_h.SG_DXFER_FROM_DEV : block_h.SG_DXFER_NONE);
      sg_io_hdr.cmd_len(header, (byte) cdb.length);
      sg_io_hdr.mx_sb_len(header, (byte) SENSE_BYTES);
      sg_io_hdr.dxfer_len(header, bytes);
      sg_io_hdr.dxferp(header, data);
      sg_io_hdr.cmdp(header, arena.allocateFrom(JAVA_BYTE, cdb));
      sg_io_hdr.sbp(header, sense);
      sg_io_hdr.timeout(header, timeoutMillis);
      // Safe: every address is of this arena, with its length beside it in the header, and the
      // call returns only when the kernel is done with them.
      Posix.ioctl(fd, block_h.SG_IO, header.address(), "SG_IO");
      int senseBytes = Byte.toUnsignedInt(sg_io_hdr.sb_len_wr(header));
      int came = Math.clamp(bytes - (long) sg_io_hdr.resid(header), 0, bytes);
      return new Answer(
          Short.toUnsignedInt(sg_io_hdr.host_status(header)),
          driver(Short.toUnsignedInt(sg_io_hdr.driver_status(header))),
          Byte.toUnsignedInt(sg_io_hdr.status(header)),
          sense.asSlice(0, Math.min(senseBytes, SENSE_BYTES)).toArray(JAVA_BYTE),
          data.asSlice(0, out.length > 0 ? 0 : came).toArray(JAVA_BYTE));
    }
  }

  /** That there is sense data is no failure of the driver. */
  private static int driver(int status) {
    int driver = status & DRIVER_MASK;
    return driver == DRIVER_SENSE ? 0 : driver;
  }

  /**
   * LOGICAL UNIT RESET, by the kernel's error handling of this host.
   *
   * @throws SysException when that fails
   */
  public void resetUnit() throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment what = arena.allocateFrom(JAVA_INT, block_h.SG_SCSI_RESET_DEVICE | NO_ESCALATE);
      // Safe: the kernel reads one int.
      Posix.ioctl(fd, block_h.SG_SCSI_RESET, what.address(), "SG_SCSI_RESET");
    }
  }

  @Override
  public void close() {
    fd.close();
  }
}
