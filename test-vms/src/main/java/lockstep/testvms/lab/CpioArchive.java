package lockstep.testvms.lab;

import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Writes an initramfs in the "newc" cpio format (Linux, {@code
 * Documentation/driver-api/early-userspace/buffer-format.rst}). Times and owners are all zero, so
 * that the same files give the same bytes. The kernel unpacks archives that follow one another.
 */
final class CpioArchive implements Closeable {
  private static final int DIRECTORY = 0040755;
  private static final int SYMLINK = 0120777;
  private static final int REGULAR = 0100000;
  private static final int ALIGNMENT = 4;

  private final OutputStream out;
  private final Set<String> directories = new HashSet<>();
  private int inode;

  /** Writes to a stream that is closed with the archive. */
  CpioArchive(OutputStream out) {
    this.out = out;
  }

  /** Adds a directory and those above it, once. */
  void directory(String path) throws IOException {
    if (path.isEmpty() || !directories.add(path)) {
      return;
    }
    directory(parent(path));
    header(path, DIRECTORY, 2, 0);
  }

  /** Adds a file with the given permission bits. */
  void file(String path, int permissions, byte[] content) throws IOException {
    directory(parent(path));
    header(path, REGULAR | permissions, 1, content.length);
    out.write(content);
    pad(content.length);
  }

  /** Adds a file of this machine. */
  void file(String path, Path source) throws IOException {
    directory(parent(path));
    long size = Files.size(source);
    header(path, REGULAR | (Files.isExecutable(source) ? 0755 : 0644), 1, size);
    long copied = Files.copy(source, out);
    if (copied != size) {
      throw new IOException(source + " changed from " + size + " to " + copied + " bytes");
    }
    pad(size);
  }

  /** Adds a symbolic link. */
  void symlink(String path, String target) throws IOException {
    byte[] content = target.getBytes(StandardCharsets.UTF_8);
    directory(parent(path));
    header(path, SYMLINK, 1, content.length);
    out.write(content);
    pad(content.length);
  }

  /** Adds all files below a directory of this machine, links followed, sorted by name. */
  void tree(String path, Path source) throws IOException {
    directory(path);
    List<Path> entries;
    try (Stream<Path> listing = Files.list(source)) {
      entries = listing.sorted().toList();
    }
    for (Path entry : entries) {
      String name = path + "/" + entry.getFileName();
      if (Files.isDirectory(entry)) {
        tree(name, entry);
      } else {
        file(name, entry);
      }
    }
  }

  @Override
  public void close() throws IOException {
    try (out) {
      inode = -1;
      header("TRAILER!!!", 0, 1, 0);
    }
  }

  private static String parent(String path) {
    int slash = path.lastIndexOf('/');
    return slash < 0 ? "" : path.substring(0, slash);
  }

  private void header(String path, int mode, int links, long size) throws IOException {
    byte[] name = path.getBytes(StandardCharsets.UTF_8);
    inode++;
    String fields =
        "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x"
            .formatted(inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name.length + 1, 0);
    out.write(fields.getBytes(StandardCharsets.US_ASCII));
    out.write(name);
    out.write(0);
    pad(fields.length() + name.length + 1);
  }

  private void pad(long written) throws IOException {
    out.write(new byte[(int) (-written & (ALIGNMENT - 1))]);
  }
}
