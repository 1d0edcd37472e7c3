package lockstep.storage;

import java.io.IOException;
import java.nio.file.Path;
import lockstep.monitor.state.Bytes;
import lockstep.storage.ffi.disk.SgDevice;
import lockstep.storage.scsi.ScsiReply;
import lockstep.storage.scsi.ScsiTransport;
import lockstep.storage.scsi.Sense;
import lockstep.sys.SysException;
import lockstep.uapi.posix_h;

/**
 * The way to the SCSI unit behind a block device of this host. The nexus is the host adapter's:
 * every process of this host that uses the device shares it, reservations included.
 */
final class SgUnit implements ScsiTransport, AutoCloseable {
  private final Path path;
  private final SgDevice device;

  private SgUnit(Path path, SgDevice device) {
    this.path = path;
    this.device = device;
  }

  /**
   * Opens it.
   *
   * @throws IOException when raw commands cannot be sent there; one phrase that says why
   */
  static SgUnit open(Path path) throws IOException {
    if (DeviceFacts.isPartition(path)) {
      throw new IOException("it is a partition, and reservations are of whole disks");
    }
    if (DeviceFacts.isMapped(path)) {
      throw new IOException(
          "it is a device-mapper map, and reservations over several paths are not built");
    }
    try {
      return new SgUnit(path, SgDevice.open(path.toString()));
    } catch (SysException e) {
      throw new IOException(
          switch (e.errno()) {
            case posix_h.ENOTTY, posix_h.EINVAL, posix_h.EOPNOTSUPP -> "it is not a SCSI disk";
            case posix_h.EACCES, posix_h.EPERM, posix_h.EROFS ->
                "SCSI commands need root, and a device that may be written";
            default -> String.valueOf(e.getMessage());
          },
          e);
    }
  }

  @Override
  public ScsiReply execute(Bytes cdb, Bytes dataOut, int dataInBytes, int timeoutMillis)
      throws IOException {
    try {
      SgDevice.Answer answer =
          device.send(cdb.toArray(), dataOut.toArray(), dataInBytes, timeoutMillis);
      // A refusal by the unit outranks what adapters say beside it.
      if (answer.status() == ScsiReply.GOOD
          && (answer.hostStatus() != 0 || answer.driverStatus() != 0)) {
        throw new IOException(
            "%s: no answer of the unit (host status 0x%02x, driver status 0x%02x)"
                .formatted(name(), answer.hostStatus(), answer.driverStatus()));
      }
      return new ScsiReply(
          answer.status(),
          Sense.parse(Bytes.copyOf(answer.sense())),
          Bytes.copyOf(answer.status() == ScsiReply.GOOD ? answer.data() : new byte[0]));
    } catch (SysException e) {
      throw new IOException(name() + ": " + e.getMessage(), e);
    }
  }

  @Override
  public void resetUnit(int timeoutMillis) throws IOException {
    try {
      device.resetUnit();
    } catch (SysException e) {
      throw new IOException(name() + " cannot be reset: " + e.getMessage(), e);
    }
  }

  @Override
  public String name() {
    return "dev:" + path;
  }

  @Override
  public void close() {
    device.close();
  }
}
