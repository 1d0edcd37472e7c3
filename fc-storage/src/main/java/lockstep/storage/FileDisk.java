package lockstep.storage;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import lockstep.monitor.block.Geometry;
import lockstep.storage.ffi.disk.DiskEngine;
import lockstep.storage.ffi.disk.Medium;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.SysException;
import lockstep.uapi.posix_h;

/**
 * A disk that is a file, byte for byte. It goes through the page cache; a flush, and a write with
 * FUA, waits until the file system has it on its medium. A discard makes a hole in the file.
 */
public final class FileDisk extends NativeDisk {
  private static final int BLOCK_BYTES = 512;
  private static final int ANY_WRITE_BIT = 0222;

  private FileDisk(Medium medium, Geometry geometry, DiskEngine engine) {
    super(medium, geometry, engine);
  }

  /**
   * Opens an image. A file that may not be written is a read-only disk, and so is one that nobody
   * may write, even where root could.
   *
   * @throws IOException when there is none, or its size is not that of a disk; one line
   */
  public static FileDisk open(Path path) throws IOException {
    return open(path, medium -> DiskEngine.best(medium, DEPTH));
  }

  /** The same with an engine of the caller's choice. */
  static FileDisk open(Path path, EngineChoice engine) throws IOException {
    if (!Files.isRegularFile(path)) {
      throw new IOException("disk image " + path + ": " + whyNoFile(path));
    }
    try {
      boolean writable = mayWrite(path);
      Fd fd = Posix.open(path.toString(), writable ? posix_h.O_RDWR : posix_h.O_RDONLY);
      try {
        return of(path, fd, !writable, engine);
      } catch (IOException | SysException e) {
        fd.close();
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
        ? "a directory is no disk"
        : "not a regular file; a block device is dev:" + path;
  }

  private static boolean mayWrite(Path path) throws IOException {
    return Files.isWritable(path)
        && ((Integer) Files.getAttribute(path, "unix:mode") & ANY_WRITE_BIT) != 0;
  }

  private static FileDisk of(Path path, Fd fd, boolean readOnly, EngineChoice engine)
      throws IOException, SysException {
    long size = Files.size(path);
    if (size < BLOCK_BYTES || size % BLOCK_BYTES != 0) {
      throw new IOException(
          "disk image %s has %d bytes, which is not a whole number of blocks of %d"
              .formatted(path, size, BLOCK_BYTES));
    }
    boolean canDiscard = !readOnly && Medium.canPunchHoles(fd, size);
    Medium medium =
        new Medium(
            fd,
            "disk image " + path,
            BLOCK_BYTES,
            canDiscard ? Medium.Discard.PUNCH_HOLE : Medium.Discard.NONE,
            true);
    return new FileDisk(
        medium, new Geometry(size, BLOCK_BYTES, readOnly, canDiscard), engine.start(medium));
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
