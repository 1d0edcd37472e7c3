package lockstep.storage.ffi.disk;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.Sys;
import lockstep.sys.SysException;
import lockstep.uapi.posix_h;
import lockstep.uapi.statfs;

/**
 * How an image is opened so that a completed write is on the storage (docs/adr/0009): direct where
 * its file system takes that, synchronous where direct transfers alone do not promise it.
 *
 * @param fds closed by whoever asked
 * @param caching what of the image this host keeps in memory
 * @param words the same for people: a phrase
 */
public record ImageAccess(Medium.Fds fds, Medium.Caching caching, String words) {
  /** What every medium takes; the page cache takes any. */
  static final int SMALL_BYTES = 512;

  /** The other unit that direct transfers come in: devices with blocks of 4 KiB. */
  private static final int LARGE_BYTES = 4096;

  /** As much as a daemon in user space may hand on in another way than a block. */
  private static final int PROBE_BYTES = 64 << 10;

  /**
   * In the page cache, until a flush.
   *
   * @throws SysException when it cannot be opened
   */
  public static ImageAccess cached(Path path, boolean writable) throws SysException {
    Fd fd = Posix.open(path.toString(), access(writable));
    return new ImageAccess(
        Medium.Fds.one(fd, SMALL_BYTES), Medium.Caching.WRITE_BACK, "the page cache");
  }

  /**
   * On the storage.
   *
   * @throws IOException when nothing can be tried beside it
   * @throws SysException when it cannot be opened
   */
  public static ImageAccess direct(Path path, boolean writable) throws IOException, SysException {
    Fd fd = Posix.open(path.toString(), access(writable) | posix_h.O_DSYNC);
    try {
      boolean enough = directIsEnough(fd);
      int alignment = alignment(path, writable);
      if (alignment == 0) {
        return new ImageAccess(
            Medium.Fds.one(fd, SMALL_BYTES),
            Medium.Caching.WRITE_THROUGH,
            "synchronous writes, since its file system does not support direct I/O");
      }
      Fd direct = Posix.open(path.toString(), directFlags(writable, enough));
      Fd unaligned = fd;
      if (alignment == SMALL_BYTES) {
        // Every transfer is a multiple of it.
        fd.close();
        unaligned = direct;
      }
      return new ImageAccess(
          new Medium.Fds(direct, unaligned, alignment),
          Medium.Caching.NONE,
          enough ? "direct I/O" : "direct and synchronous I/O");
    } catch (IOException | SysException e) {
      fd.close();
      throw e;
    }
  }

  private static int access(boolean writable) {
    return writable ? posix_h.O_RDWR : posix_h.O_RDONLY;
  }

  private static int directFlags(boolean writable, boolean enough) {
    return access(writable) | posix_h.O_DIRECT | (enough ? 0 : posix_h.O_DSYNC);
  }

  /**
   * Whether a direct write that is done survives the loss of this host. On NFS it is done when the
   * server has committed it. A file system of one machine is gone with that machine, whose kernel
   * also has its journal. Of all others, clustered ones and those in user space among them, it is
   * not known: where the block is may still be in this host's journal, and what a daemon does is
   * its own matter.
   */
  private static boolean directIsEnough(Fd fd) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment found = statfs.allocate(arena);
      // Safe: the kernel writes one struct statfs, for which there is room.
      long result =
          Sys.call(
              Sys.errnoSlot(arena), posix_h.SYS_fstatfs, fd.number(), found.address(), 0, 0, 0, 0);
      if (result < 0) {
        throw new SysException("fstatfs", fd.subject(), (int) -result);
      }
      return switch ((int) statfs.f_type(found)) {
        case posix_h.NFS_SUPER_MAGIC,
            posix_h.EXT4_SUPER_MAGIC,
            posix_h.XFS_SUPER_MAGIC,
            posix_h.BTRFS_SUPER_MAGIC ->
            true;
        default -> false;
      };
    }
  }

  /** What direct transfers must be a multiple of; 0 where there are none. */
  private static int alignment(Path image, boolean writable) throws IOException {
    if (!takesDirect(image, writable)) {
      return 0;
    }
    Path parent = image.toAbsolutePath().getParent();
    if (parent == null || !Files.isWritable(parent)) {
      // The larger one is right where the smaller one would be.
      return LARGE_BYTES;
    }
    // In a file of its own: the image may be another side's to write, and to read a hole of it
    // says nothing of the device.
    Path probe = Files.createTempFile(parent, "." + image.getFileName() + ".", ".probe");
    try {
      return takesAll(probe, SMALL_BYTES)
          ? SMALL_BYTES
          : takesAll(probe, LARGE_BYTES) ? LARGE_BYTES : 0;
    } finally {
      Files.deleteIfExists(probe);
    }
  }

  private static boolean takesDirect(Path image, boolean writable) {
    try {
      Posix.open(image.toString(), directFlags(writable, true)).close();
      return true;
    } catch (SysException e) {
      return false; // EINVAL
    }
  }

  /** Whether transfers of some lengths work from a place that is a multiple of a unit. */
  private static boolean takesAll(Path probe, int unit) {
    try (Fd fd = Posix.open(probe.toString(), directFlags(true, true));
        Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(PROBE_BYTES, LARGE_BYTES);
      for (int length : new int[] {unit, LARGE_BYTES, PROBE_BYTES}) {
        buffer.fill((byte) 1);
        if (!transfer(fd, posix_h.SYS_pwrite64, buffer, length, unit)) {
          return false;
        }
        buffer.fill((byte) 0);
        if (!transfer(fd, posix_h.SYS_pread64, buffer, length, unit)
            || buffer.get(JAVA_BYTE, length - 1) != 1) {
          return false;
        }
      }
      return true;
    } catch (SysException e) {
      return false;
    }
  }

  private static boolean transfer(
      Fd fd, long call, MemorySegment buffer, int lengthBytes, long place) {
    try (Arena arena = Arena.ofConfined()) {
      // Safe: the buffer is larger than any length that is asked for, and lives longer.
      return Sys.call(
              Sys.errnoSlot(arena), call, fd.number(), buffer.address(), lengthBytes, place, 0, 0)
          == lengthBytes;
    }
  }
}
