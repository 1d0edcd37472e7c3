package lockstep.storage;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import lockstep.monitor.block.Geometry;
import lockstep.storage.ffi.disk.DiskEngine;
import lockstep.storage.ffi.disk.ExchangedPermit;
import lockstep.storage.ffi.disk.Medium;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.SysException;
import lockstep.uapi.posix_h;

/**
 * A disk that is a block device of this host: a LUN, a multipath map, a partition, a loop device.
 * Transfers go past the page cache, which another host could not see into.
 */
public final class BlockDisk extends NativeDisk {
  /** Who else of this host may have the device open. */
  public enum Use {
    /** Nobody: no mount, no other disk of this kind. */
    ALONE,
    /** The other side of a pair; a device that is mounted or part of another is refused. */
    PAIR
  }

  private final int physicalBlockBytes;

  private BlockDisk(Medium medium, Geometry geometry, DiskEngine engine, int physicalBlockBytes) {
    super(medium, geometry, engine);
    this.physicalBlockBytes = physicalBlockBytes;
  }

  /**
   * Opens a device; one that refuses writes is a read-only disk.
   *
   * @throws IOException one line: what is wrong with which device
   */
  public static BlockDisk open(Path path, Use use) throws IOException {
    return open(path, use, medium -> DiskEngine.best(medium, DEPTH));
  }

  /** The same with an engine of the caller's choice. */
  static BlockDisk open(Path path, Use use, EngineChoice engine) throws IOException {
    if (!Files.exists(path)) {
      throw new IOException("block device " + path + ": no such device");
    }
    boolean block = (mode(path) & posix_h.S_IFMT) == posix_h.S_IFBLK;
    if (!block) {
      throw new IOException(path + " is not a block device");
    }
    Fd fd = claim(path, use);
    try {
      return of(path, fd, engine);
    } catch (SysException e) {
      fd.close();
      throw new IOException("block device " + path + ": " + e.getMessage(), e);
    } catch (IOException e) {
      fd.close();
      throw e;
    }
  }

  private static BlockDisk of(Path path, Fd fd, EngineChoice engine)
      throws IOException, SysException {
    long size = Medium.deviceSizeBytes(fd);
    int block = Medium.logicalBlockBytes(fd);
    if (size < block || size % block != 0) {
      throw new IOException(
          "block device %s has %d bytes, which is not a whole number of blocks of %d"
              .formatted(path, size, block));
    }
    boolean readOnly = (flags(fd) & posix_h.O_ACCMODE) == posix_h.O_RDONLY;
    boolean canDiscard = !readOnly && DeviceFacts.canDiscard(path);
    Medium medium =
        new Medium(
            Medium.Fds.one(fd, block),
            "block device " + path,
            canDiscard ? Medium.Discard.BLOCK_DEVICE : Medium.Discard.NONE,
            Medium.Caching.NONE,
            new ExchangedPermit());
    return new BlockDisk(
        medium,
        new Geometry(size, block, readOnly, canDiscard),
        engine.start(medium),
        Medium.physicalBlockBytes(fd));
  }

  private static int flags(Fd fd) throws SysException {
    return Posix.fcntl(fd, posix_h.F_GETFL, 0, "F_GETFL");
  }

  private static int mode(Path path) throws IOException {
    return (Integer) Files.getAttribute(path, "unix:mode");
  }

  /** Linux gives O_EXCL on a device to one opener, and a mount is one. */
  private static Fd claim(Path path, Use use) throws IOException {
    Fd alone = openFor(path, posix_h.O_EXCL);
    if (use == Use.ALONE) {
      return alone;
    }
    alone.close();
    return openFor(path, 0);
  }

  private static Fd openFor(Path path, int extra) throws IOException {
    int flags = posix_h.O_DIRECT | extra;
    try {
      Fd fd = open(path, flags | posix_h.O_RDWR);
      if (!Medium.deviceReadOnly(fd)) {
        return fd;
      }
      fd.close();
      return open(path, flags | posix_h.O_RDONLY);
    } catch (SysException e) {
      if (e.errno() == posix_h.EROFS || e.errno() == posix_h.EACCES) {
        return openReadOnly(path, flags, e);
      }
      throw problem(path, e);
    }
  }

  private static Fd openReadOnly(Path path, int flags, SysException first) throws IOException {
    try {
      return open(path, flags | posix_h.O_RDONLY);
    } catch (SysException e) {
      e.addSuppressed(first);
      throw problem(path, e);
    }
  }

  private static Fd open(Path path, int flags) throws SysException {
    return Posix.open(path.toString(), flags);
  }

  private static IOException problem(Path path, SysException e) {
    String why =
        switch (e.errno()) {
          case posix_h.EACCES, posix_h.EPERM -> "no permission; be root or in its group (disk)";
          case posix_h.EBUSY -> "in use by this host: mounted, swap, or another VM's disk";
          case posix_h.ENXIO, posix_h.ENODEV, posix_h.ENOMEDIUM -> "no device is attached to it";
          case posix_h.EINVAL -> "does not support direct I/O";
          default -> String.valueOf(e.getMessage());
        };
    return new IOException("block device " + path + ": " + why, e);
  }

  /** The smallest unit that the device writes without reading first. Bytes. */
  public int physicalBlockBytes() {
    return physicalBlockBytes;
  }
}
