package lockstep.storage.lease;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The files of a lease in the directory of its image, which may be on a network file system.
 *
 * <p>Every file is opened by its name each time: that makes a network file system look at the
 * server (close-to-open consistency), and a file that was removed there is not found here. Nothing
 * is opened through a symbolic link (O_NOFOLLOW), and what is made was not there before (O_EXCL).
 */
public final class DirectoryFiles implements LeaseFiles {
  private static final int MAX_BYTES = 4_096;
  private static final int LOCK_TRIES = 1_000;

  private final Path image;
  private final Path directory;
  private final String prefix;
  private @Nullable FileChannel held;
  private @Nullable FileLock lock;

  /** The files beside this image, which need not exist; nothing is opened yet. */
  public DirectoryFiles(Path image) {
    this.image = resolved(image.toAbsolutePath());
    Path parent = this.image.getParent();
    this.directory = parent == null ? this.image : parent;
    this.prefix = this.image.getFileName() + ".lease";
  }

  /** One image has one lease, whatever links lead to it. */
  private static Path resolved(Path image) {
    try {
      return image.toRealPath();
    } catch (IOException e) {
      return image;
    }
  }

  @Override
  public String subject() {
    return image.toString();
  }

  @Override
  public boolean hasImage() {
    return Files.exists(image);
  }

  private Path path(String name) {
    return directory.resolve(prefix + name);
  }

  @FunctionalInterface
  private interface Call<T> {
    T run() throws IOException;
  }

  /** Some of Java's messages are a bare path. */
  private static <T> T plain(Path path, Call<T> call) throws IOException {
    try {
      return call.run();
    } catch (java.nio.file.FileAlreadyExistsException | NoSuchFileException e) {
      throw e;
    } catch (java.nio.file.AccessDeniedException e) {
      throw new IOException(path + ": permission denied", e);
    } catch (FileSystemException e) {
      throw new IOException(
          path + ": " + (e.getReason() == null ? e.getClass().getSimpleName() : e.getReason()), e);
    } catch (java.io.InterruptedIOException | java.nio.channels.ClosedChannelException e) {
      throw e;
    } catch (IOException e) {
      throw new IOException(path + ": " + e.getMessage(), e);
    }
  }

  @Override
  public Optional<String> read(String name) throws IOException {
    Path path = path(name);
    return plain(
        path,
        () -> {
          try {
            checkRegular(path);
            try (FileChannel channel =
                FileChannel.open(path, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)) {
              ByteBuffer bytes = ByteBuffer.allocate(MAX_BYTES);
              while (bytes.hasRemaining() && channel.read(bytes) >= 0) {
                // The rest.
              }
              return Optional.of(US_ASCII.decode(bytes.flip()).toString());
            }
          } catch (NoSuchFileException e) {
            return Optional.empty();
          }
        });
  }

  /** To open a pipe could wait for ever. */
  private static void checkRegular(Path path) throws IOException {
    BasicFileAttributes attributes =
        Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    if (!attributes.isRegularFile()) {
      throw new FileSystemException(
          path.toString(),
          null,
          (attributes.isSymbolicLink() ? "a symbolic link" : "not a regular file")
              + " where a lease's file should be; remove it");
    }
  }

  @Override
  public void create(String name, String text) throws IOException {
    Path path = path(name);
    Object unused =
        plain(
            path,
            () -> {
              try (FileChannel channel =
                  FileChannel.open(
                      path,
                      StandardOpenOption.CREATE_NEW,
                      StandardOpenOption.WRITE,
                      LinkOption.NOFOLLOW_LINKS)) {
                if (!text.isEmpty()) {
                  write(channel, text);
                  channel.force(true);
                }
              } catch (NoSuchFileException e) {
                throw noDirectory(e);
              }
              return true;
            });
  }

  private FileSystemException noDirectory(NoSuchFileException e) {
    FileSystemException none =
        new FileSystemException(directory.toString(), null, "no such directory");
    none.initCause(e);
    return none;
  }

  private static void write(FileChannel channel, String text) throws IOException {
    ByteBuffer bytes = US_ASCII.encode(text);
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  @Override
  public void overwrite(String name, String text) throws IOException {
    Path path = path(name);
    Object unused =
        plain(
            path,
            () -> {
              checkRegular(path);
              // Closing it is what sends it to the server; the medium need not have it.
              try (FileChannel channel =
                  FileChannel.open(path, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
                write(channel, text);
              }
              return true;
            });
  }

  @Override
  public void rename(String from, String to) throws IOException {
    Path source = path(from);
    Path unused = plain(source, () -> Files.move(source, path(to), StandardCopyOption.ATOMIC_MOVE));
  }

  @Override
  public void link(String existing, String name) throws IOException {
    Path path = path(name);
    Path unused = plain(path, () -> Files.createLink(path, path(existing)));
  }

  @Override
  public void delete(String name) throws IOException {
    Path path = path(name);
    boolean unused = plain(path, () -> Files.deleteIfExists(path));
  }

  @Override
  public List<String> list() throws IOException {
    return plain(
        directory,
        () -> {
          List<String> names = new ArrayList<>();
          // Compared as it is: an image's name may look like a pattern.
          try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
            for (Path file : files) {
              String name = String.valueOf(file.getFileName());
              if (name.startsWith(prefix)) {
                names.add(name.substring(prefix.length()));
              }
            }
          } catch (java.nio.file.DirectoryIteratorException e) {
            throw e.getCause();
          } catch (NoSuchFileException e) {
            throw noDirectory(e);
          }
          return names;
        });
  }

  @Override
  public void sync() throws IOException {
    Object unused =
        plain(
            directory,
            () -> {
              try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
                channel.force(true);
              } catch (NoSuchFileException e) {
                throw noDirectory(e);
              }
              return true;
            });
  }

  private FileChannel openLock(String name) throws IOException {
    Path path = path(name);
    return plain(
        path,
        () -> {
          if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            checkRegular(path);
          }
          return FileChannel.open(
              path,
              StandardOpenOption.CREATE,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE,
              LinkOption.NOFOLLOW_LINKS);
        });
  }

  @Override
  public synchronized void hold(String name) throws IOException {
    if (held != null) {
      return;
    }
    FileChannel channel = openLock(name);
    held = channel;
    try {
      for (int i = 0; i < LOCK_TRIES && lock == null; i++) {
        lock = channel.tryLock(0, Long.MAX_VALUE, true);
        if (lock == null) {
          // Somebody looks whether it is held.
          Thread.onSpinWait();
        }
      }
    } catch (IOException | OverlappingFileLockException e) {
      // A file system without locks, or another lease of this process: heartbeats serve alone.
      lock = null;
    }
  }

  @Override
  public synchronized void release() throws IOException {
    FileChannel channel = held;
    held = null;
    lock = null;
    if (channel != null) {
      channel.close();
    }
  }

  @Override
  public synchronized boolean isHeld(String name) throws IOException {
    if (held != null && lock != null && lock.isValid()) {
      return false;
    }
    Path path = path(name);
    try {
      checkRegular(path);
      try (FileChannel channel =
              FileChannel.open(
                  path,
                  StandardOpenOption.READ,
                  StandardOpenOption.WRITE,
                  LinkOption.NOFOLLOW_LINKS);
          FileLock all = channel.tryLock()) {
        return all == null;
      }
    } catch (OverlappingFileLockException e) {
      return true;
    } catch (NoSuchFileException e) {
      return false;
    } catch (FileSystemException e) {
      throw new IOException(path + ": " + e.getReason(), e);
    } catch (IOException e) {
      // No locks here.
      return false;
    }
  }
}
