package lockstep.cli.process;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.stream.Stream;

/**
 * A directory and processes that are gone when this is closed, and also when a signal ends this
 * process before that.
 */
public final class Scratch implements AutoCloseable {
  private final Path directory;
  private final Deque<PairSide> sides = new ArrayDeque<>();
  private final Thread hook = new Thread(this::cleanUp, "scratch");
  private boolean over;

  /** Makes the directory. */
  public Scratch(String prefix) throws IOException {
    directory = Files.createTempDirectory(prefix);
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /** Starts a process. */
  public interface Starter {
    /** It is up to the scratch to close it. */
    PairSide start() throws IOException;
  }

  /** Whether the process has been told to end: what fails from then on is of no interest. */
  public static boolean processIsEnding() {
    Thread hook = new Thread(() -> {}, "end-question");
    try {
      Runtime.getRuntime().addShutdownHook(hook);
      Runtime.getRuntime().removeShutdownHook(hook);
      return false;
    } catch (IllegalStateException e) {
      return true;
    }
  }

  /** Where the files go. */
  public Path directory() {
    return directory;
  }

  /**
   * Starts a process that does not outlive this one.
   *
   * @throws IOException also when this process is about to end
   */
  public PairSide start(Starter starter) throws IOException {
    synchronized (sides) {
      if (over) {
        throw new IOException("ending");
      }
      PairSide side = starter.start();
      sides.push(side);
      return side;
    }
  }

  /** Ends a process, if it has not ended. */
  public void end(PairSide side) {
    side.close();
    synchronized (sides) {
      sides.remove(side);
    }
  }

  /** The last one started ends first: a backup outlives its primary. */
  private void cleanUp() {
    synchronized (sides) {
      over = true;
      sides.forEach(side -> side.process().destroy());
      while (!sides.isEmpty()) {
        sides.pop().close();
      }
    }
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (NoSuchFileException e) {
      // Done already.
    } catch (IOException e) {
      System.err.println("lockstep: not removed: " + directory + ": " + e.getMessage());
    }
  }

  @Override
  public void close() {
    cleanUp();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending by a signal; the hook is running or has run.
    }
  }
}
