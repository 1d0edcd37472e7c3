package lockstep.monitor.boot;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** A file's name, for messages, and its content. The content is not copied and must not change. */
public final class BootFile {
  /** The largest file read: a stripped kernel or an initrd is far below, a disk image above. */
  static final long MAX_BYTES = 1L << 30;

  private final String name;
  private final byte[] content;

  private BootFile(String name, byte[] content) {
    this.name = name;
    this.content = content;
  }

  /** Wraps content that is already in memory; the caller gives it away. */
  public static BootFile of(String name, byte[] content) {
    return new BootFile(name, content);
  }

  /**
   * Reads a whole file.
   *
   * @throws BootException when it is missing, unreadable, not a regular file or above 1 GiB
   */
  public static BootFile read(Path path) throws BootException {
    String name = path.toString();
    try {
      // A device or a pipe may never end.
      if (Files.exists(path) && !Files.isRegularFile(path)) {
        throw new BootException(
            name,
            Files.isDirectory(path) ? "is a directory" : "is not a regular file",
            "name a kernel or initrd file");
      }
      if (Files.size(path) > MAX_BYTES) {
        throw new BootException(
            name, "is " + Files.size(path) + " bytes, above 1 GiB", "name a kernel or initrd file");
      }
      return new BootFile(name, Files.readAllBytes(path));
    } catch (NoSuchFileException e) {
      throw new BootException(name, "no such file", "check the path", e);
    } catch (AccessDeniedException e) {
      throw new BootException(name, "permission denied", "make it readable", e);
    } catch (IOException e) {
      throw new BootException(name, "cannot be read (" + e.getMessage() + ")", "check it", e);
    }
  }

  /** The name for messages. */
  public String name() {
    return name;
  }

  /** The number of bytes. */
  public int size() {
    return content.length;
  }

  /** A fresh copy of the content. */
  public byte[] toArray() {
    return content.clone();
  }

  /** The content itself, shared: package-private so that only loaders see it, and none writes. */
  byte[] bytes() {
    return content;
  }
}
