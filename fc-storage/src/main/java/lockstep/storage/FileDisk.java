package lockstep.storage;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import lockstep.monitor.block.Geometry;
import lockstep.storage.ffi.disk.DiskEngine;
import lockstep.storage.ffi.disk.ExchangedPermit;
import lockstep.storage.ffi.disk.ImageAccess;
import lockstep.storage.ffi.disk.Medium;
import lockstep.sys.SysException;

/**
 * A disk that is a file, byte for byte. A flush, and a write with FUA, waits until the file system
 * has it on its medium. A discard makes a hole in the file.
 */
public final class FileDisk extends NativeDisk {
  private static final int BLOCK_BYTES = 512;
  private static final int ANY_WRITE_BIT = 0222;

  /** Where a completed write may be. */
  public enum HostCache {
    /** In this host's memory, until a flush: for a VM that dies with its host. */
    USED,
    /** Only on the storage: for a VM that outlives its host. */
    BYPASSED
  }

  private final String access;

  private FileDisk(Medium medium, Geometry geometry, DiskEngine engine, String access) {
    super(medium, geometry, engine);
    this.access = access;
  }

  /** How the image is reached, for people: a phrase. */
  public String access() {
    return access;
  }

  /**
   * Opens an image. A file that may not be written is a read-only disk, and so is one that nobody
   * may write, even where root could.
   *
   * @throws IOException when there is none, or its size is not that of a disk; one line
   */
  public static FileDisk open(Path path, HostCache cache) throws IOException {
    return open(path, cache, medium -> DiskEngine.best(medium, DEPTH));
  }

  /** The same with an engine of the caller's choice. */
  static FileDisk open(Path path, HostCache cache, EngineChoice engine) throws IOException {
    if (!Files.isRegularFile(path)) {
      throw new IOException("disk image " + path + ": " + whyNoFile(path));
    }
    long size = Files.size(path);
    if (size < BLOCK_BYTES || size % BLOCK_BYTES != 0) {
      throw new IOException(
          "disk image %s has %d bytes, which is not a whole number of blocks of %d"
              .formatted(path, size, BLOCK_BYTES));
    }
    try {
      boolean writable = mayWrite(path);
      ImageAccess access =
          switch (cache) {
            case USED -> ImageAccess.cached(path, writable);
            case BYPASSED -> ImageAccess.direct(path, writable);
          };
      try {
        return of(path, access, new Size(size, !writable), engine);
      } catch (SysException e) {
        access.fds().close();
        throw e;
      }
    } catch (SysException e) {
      throw new IOException("disk image " + path + ": " + e.getMessage(), e);
    }
  }

  private static String whyNoFile(Path path) {
    if (!Files.exists(path)) {
      return "no such file";
    }
    return Files.isDirectory(path)
        ? "a directory is not a disk"
        : "not a regular file; a block device is dev:" + path;
  }

  private static boolean mayWrite(Path path) throws IOException {
    return Files.isWritable(path)
        && ((Integer) Files.getAttribute(path, "unix:mode") & ANY_WRITE_BIT) != 0;
  }

  private record Size(long bytes, boolean readOnly) {}

  private static FileDisk of(Path path, ImageAccess access, Size size, EngineChoice engine)
      throws SysException {
    boolean canDiscard =
        !size.readOnly() && Medium.canPunchHoles(access.fds().usual(), size.bytes());
    Medium medium =
        new Medium(
            access.fds(),
            "disk image " + path,
            canDiscard ? Medium.Discard.PUNCH_HOLE : Medium.Discard.NONE,
            access.caching(),
            new ExchangedPermit());
    // Another host may have written since this one read it last.
    medium.dropCache();
    return new FileDisk(
        medium,
        new Geometry(size.bytes(), BLOCK_BYTES, size.readOnly(), canDiscard),
        engine.start(medium),
        access.words());
  }

  /**
   * Makes an image of zeros, which takes no room until it is written.
   *
   * @throws IOException when there is something of that name
   */
  public static void create(Path path, long sizeBytes) throws IOException {
    try (FileChannel file =
        FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      file.write(ByteBuffer.wrap(new byte[1]), sizeBytes - 1);
    }
  }
}
