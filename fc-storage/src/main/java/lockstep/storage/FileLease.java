package lockstep.storage;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import lockstep.replay.ft.Arbiter;
import lockstep.replay.ft.Claimant;
import org.jspecify.annotations.Nullable;

/**
 * The test-and-set of a disk that is a file. It decides, and cannot fence: a file system takes
 * writes from whoever has the file open.
 *
 * <p>Beside {@code IMAGE} there are: {@code IMAGE.lease}, a line with the VM and epoch that have
 * the disk; {@code IMAGE.lease.VM.EPOCH}, made by the winning claim and holding its side; {@code
 * IMAGE.lease.lock}, on which steps of more than one file are serialised; and {@code
 * IMAGE.lease.alive}, on which every side holds a shared lock that its death gives back. The claim
 * itself is a hard link: a complete and synced file gets its name at once or finds it taken, on
 * network file systems too.
 */
public final class FileLease implements Arbiter {
  /** Lengths of a sparse file: two by chance are never equal. */
  private static final long MARKS = 1L << 40;

  /**
   * What is behind {@code .lease} in the names of a lease's files but the lock's, which whoever
   * waits for it must find again.
   */
  private static final Pattern OWN = Pattern.compile("(?:\\.(?:alive|new|[0-9a-f]{32}\\.[0-9]+))?");

  private static final long LOCK_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final long POLL_MILLIS = 2;

  private final Path image;
  private @Nullable FileChannel alive;

  /** The lease of an image; nothing is opened yet. */
  public FileLease(Path image) {
    this.image = image.toAbsolutePath();
  }

  private record Holder(String vm, long epoch) {
    String line() {
      return vm + " " + epoch + "\n";
    }
  }

  @Override
  public synchronized void enter(Claimant self) throws IOException {
    try {
      serialised(() -> enterLocked(self));
    } catch (FileSystemException e) {
      throw new IOException(problem(e), e);
    }
  }

  private boolean enterLocked(Claimant self) throws IOException {
    Optional<Holder> holder = holder();
    boolean same = holder.isPresent() && holder.get().vm().equals(self.vm());
    if (self.side() == Claimant.Side.BACKUP) {
      if (!same || holder.get().epoch() != self.epoch()) {
        throw new IOException(
            "disk %s is not that of this VM: give both hosts the same one".formatted(image));
      }
    } else if (same) {
      if (holder.get().epoch() > self.epoch()) {
        throw new IOException(
            "disk %s has a later pair of this VM, epoch %d".formatted(image, holder.get().epoch()));
      }
    } else if (holder.isPresent()) {
      if (!nobodyAlive()) {
        throw new IOException(
            "disk %s is in use by another VM; stop that one first".formatted(image));
      }
      removeAll();
    }
    stayAlive();
    if (self.side() == Claimant.Side.PRIMARY) {
      write(beside(""), new Holder(self.vm(), self.epoch()).line(), true);
    }
    return true;
  }

  @Override
  public synchronized Ruling claim(Claimant self) {
    try {
      return serialised(() -> claimLocked(self));
    } catch (IOException e) {
      return new Ruling(Verdict.UNKNOWN, problem(e));
    }
  }

  private Ruling claimLocked(Claimant self) throws IOException {
    Holder holder = holder().orElse(null);
    if (holder == null) {
      // Every pair has entered before it claims: somebody took the lease away since.
      return new Ruling(Verdict.LOST, "no VM has disk %s".formatted(image));
    }
    if (!holder.vm().equals(self.vm()) || holder.epoch() != self.epoch()) {
      return new Ruling(
          Verdict.LOST, "disk %s has gone to a later pair or another VM".formatted(image));
    }
    Path claim = claimFile(self);
    Path mine = Files.createTempFile(directory(), "." + image.getFileName() + ".", ".claim");
    try {
      write(mine, self.side().name(), false);
      Files.createLink(claim, mine);
      syncDirectory();
    } catch (FileAlreadyExistsException e) {
      // Somebody was first; below it shows who.
    } finally {
      Files.deleteIfExists(mine);
    }
    String winner = Files.readString(claim, US_ASCII);
    return winner.equals(self.side().name())
        ? new Ruling(Verdict.WON, "disk %s, epoch %d".formatted(image, self.epoch()))
        : new Ruling(Verdict.LOST, "disk %s was claimed by the %s".formatted(image, winner));
  }

  @Override
  public synchronized void part(Claimant self) throws IOException {
    close();
  }

  @Override
  public synchronized void leave(Claimant self) throws IOException {
    serialised(
        () -> {
          Optional<Holder> holder = holder();
          close();
          if (holder.isPresent() && holder.get().vm().equals(self.vm()) && nobodyAlive()) {
            removeAll();
          }
          if (holder().isEmpty()) {
            // Held here: whoever waits for it sees that it is another file now.
            Files.deleteIfExists(beside(".lock"));
          }
          return true;
        });
  }

  @Override
  public boolean fences() {
    return false;
  }

  /** What has the disk, for people; empty for a free one. */
  public Optional<String> holderLine() throws IOException {
    return holder().map(h -> "VM %s, epoch %d".formatted(h.vm(), h.epoch()));
  }

  @Override
  public synchronized void close() throws IOException {
    if (alive != null) {
      alive.close();
      alive = null;
    }
  }

  private Optional<Holder> holder() throws IOException {
    try {
      String[] words = Files.readString(beside(""), US_ASCII).strip().split(" ", -1);
      return Optional.of(new Holder(words[0], Long.parseLong(words[1])));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
      throw new IOException(beside("") + " is damaged; remove it when no VM uses the disk", e);
    }
  }

  private void stayAlive() throws IOException {
    if (alive == null) {
      FileChannel channel = open(beside(".alive"));
      alive = channel;
      var unused = channel.lock(0, Long.MAX_VALUE, true);
    }
  }

  private boolean nobodyAlive() throws IOException {
    if (alive != null) {
      return false;
    }
    try (FileChannel channel = open(beside(".alive"));
        FileLock lock = channel.tryLock()) {
      return lock != null;
    } catch (OverlappingFileLockException e) {
      return false;
    }
  }

  private void removeAll() throws IOException {
    // Compared as it is: an image's name may look like a pattern, and begin as another's.
    String lease = String.valueOf(beside("").getFileName());
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory())) {
      for (Path file : files) {
        String name = String.valueOf(file.getFileName());
        if (name.startsWith(lease) && OWN.matcher(name.substring(lease.length())).matches()) {
          Files.delete(file);
        }
      }
    }
  }

  private Path directory() {
    Path parent = image.getParent();
    return parent == null ? image : parent;
  }

  private Path beside(String suffix) {
    return image.resolveSibling(image.getFileName() + ".lease" + suffix);
  }

  private Path claimFile(Claimant self) {
    return beside("." + self.vm() + "." + self.epoch());
  }

  private static FileChannel open(Path path) throws IOException {
    return FileChannel.open(
        path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
  }

  /** Writes a small file and waits for the disk; whole or not at all where it replaces one. */
  private void write(Path path, String text, boolean replace) throws IOException {
    Path to = replace ? path.resolveSibling(path.getFileName() + ".new") : path;
    try (FileChannel channel = open(to)) {
      channel.truncate(0);
      ByteBuffer bytes = US_ASCII.encode(text);
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      channel.force(true);
    }
    if (replace) {
      Files.move(to, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      syncDirectory();
    }
  }

  private void syncDirectory() throws IOException {
    try (FileChannel channel = FileChannel.open(directory(), StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  @FunctionalInterface
  private interface Step<T> {
    T run() throws IOException;
  }

  private <T> T serialised(Step<T> step) throws IOException {
    long start = System.nanoTime();
    while (System.nanoTime() - start <= LOCK_NANOS) {
      // Anew each time: its last holder may have removed the file.
      try (FileChannel channel = open(beside(".lock"));
          FileLock lock = channel.tryLock()) {
        if (lock != null && isWhatOthersFind(channel)) {
          return step.run();
        }
      } catch (OverlappingFileLockException e) {
        // Another lease in this process has it: as if another process had.
      }
      pause();
    }
    throw new IOException(beside(".lock") + " is held by somebody for too long");
  }

  /**
   * Whether the file that is locked is still the one of that name. Told by its length, because to
   * open it once more and close that would give up the lock (fcntl(2)).
   */
  private boolean isWhatOthersFind(FileChannel locked) throws IOException {
    long mark = ThreadLocalRandom.current().nextLong(1, MARKS);
    locked.truncate(0);
    locked.write(ByteBuffer.allocate(1), mark - 1);
    try {
      return Files.size(beside(".lock")) == mark;
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  private static void pause() throws IOException {
    try {
      Thread.sleep(POLL_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new java.io.InterruptedIOException("told to end");
    }
  }

  private static String problem(IOException e) {
    return e instanceof FileSystemException f && f.getReason() == null
        ? f.getFile() + ": " + e.getClass().getSimpleName()
        : String.valueOf(e.getMessage());
  }
}
