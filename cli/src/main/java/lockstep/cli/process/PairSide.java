package lockstep.cli.process;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** A process that is one side of a pair, and all that it says, with the time. */
public final class PairSide implements AutoCloseable {
  private static final long CLOSE_SECONDS = 5;
  private static final int BUFFER_BYTES = 1 << 13;

  /**
   * A line on standard error.
   *
   * @param nanos when it came
   */
  public record Note(long nanos, String text) {}

  private final Process process;
  private final ByteArrayOutputStream console = new ByteArrayOutputStream();
  private final List<Note> notes = new ArrayList<>();
  private final Thread reader;
  private final Thread noteReader;
  private long firstByteNanos;
  private long lastByteNanos;
  private long silentSinceNanos;
  private long longestSilenceNanos;

  /**
   * Starts it.
   *
   * @param told hears every line of its standard error
   */
  public PairSide(String name, List<String> command, Consumer<String> told) throws IOException {
    process = new ProcessBuilder(command).start();
    silentSinceNanos = System.nanoTime();
    reader = Thread.ofPlatform().daemon().name("demo-" + name).start(this::readConsole);
    noteReader =
        Thread.ofPlatform().daemon().name("demo-notes-" + name).start(() -> readNotes(told));
  }

  private void readConsole() {
    byte[] buffer = new byte[BUFFER_BYTES];
    try (InputStream in = process.getInputStream()) {
      int count = in.read(buffer);
      while (count >= 0) {
        synchronized (this) {
          if (console.size() == 0 && count > 0) {
            firstByteNanos = System.nanoTime();
          }
          lastByteNanos = System.nanoTime();
          longestSilenceNanos = Math.max(longestSilenceNanos, lastByteNanos - silentSinceNanos);
          silentSinceNanos = lastByteNanos;
          console.write(buffer, 0, count);
          notifyAll();
        }
        count = in.read(buffer);
      }
    } catch (IOException e) {
      // The process is gone, and so is its end of the pipe.
    }
  }

  private void readNotes(Consumer<String> told) {
    try (BufferedReader in =
        new BufferedReader(new InputStreamReader(process.getErrorStream(), UTF_8))) {
      String line = in.readLine();
      while (line != null) {
        String text = line.strip();
        synchronized (this) {
          notes.add(new Note(System.nanoTime(), text));
          notifyAll();
        }
        told.accept(text);
        line = in.readLine();
      }
    } catch (IOException e) {
      // As above.
    }
  }

  /** Types at its console. */
  public void type(String text) throws IOException {
    process.getOutputStream().write(text.getBytes(ISO_8859_1));
    process.getOutputStream().flush();
  }

  /** What the guest showed here, byte for byte. */
  public synchronized byte[] console() {
    return console.toByteArray();
  }

  /** When its first console byte came. */
  public synchronized long firstByteNanos() {
    return firstByteNanos;
  }

  /** When its last console byte so far came. */
  public synchronized long lastByteNanos() {
    return lastByteNanos;
  }

  /** From now on {@link #longestSilenceNanos} is measured. */
  public synchronized void watchSilence() {
    silentSinceNanos = System.nanoTime();
    longestSilenceNanos = 0;
  }

  /** The longest time without a console byte, up to the last one; of the time that is watched. */
  public synchronized long longestSilenceNanos() {
    return longestSilenceNanos;
  }

  /** How many bytes the guest showed here. */
  public synchronized int consoleBytes() {
    return console.size();
  }

  /** Waits until its console shows a text behind a position; false when it does not in time. */
  public synchronized boolean awaitConsole(String text, int from, long seconds)
      throws InterruptedException {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    while (console.toString(ISO_8859_1).indexOf(text, from) < 0) {
      long left = until - System.nanoTime();
      if (left <= 0 || !process.isAlive()) {
        return false;
      }
      // Bounded, because the end of the process tells nobody.
      wait(Math.clamp(left / 1_000_000, 1, 100));
    }
    return true;
  }

  /** Waits for a line on its standard error. */
  public synchronized Optional<MatchResult> awaitNote(Pattern pattern, long seconds)
      throws InterruptedException {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    while (true) {
      for (Note note : notes) {
        var matcher = pattern.matcher(note.text());
        if (matcher.find()) {
          return Optional.of(matcher.toMatchResult());
        }
      }
      long left = until - System.nanoTime();
      if (left <= 0 || !process.isAlive()) {
        return Optional.empty();
      }
      wait(Math.clamp(left / 1_000_000, 1, 100));
    }
  }

  /** Its lines on standard error so far. */
  public synchronized List<Note> notes() {
    return List.copyOf(notes);
  }

  /** Its process. */
  public Process process() {
    return process;
  }

  /**
   * Sends a signal and waits until it is sent.
   *
   * @param signal a name as kill(1) takes it, such as STOP
   */
  public void signal(String signal) throws IOException, InterruptedException {
    Process kill = new ProcessBuilder("kill", "-" + signal, "" + process.pid()).start();
    if (kill.waitFor() != 0) {
      throw new IOException("no signal " + signal + " for process " + process.pid());
    }
  }

  /** SIGKILL, as a host's death would look to the other side. */
  public void kill() throws InterruptedException {
    // Not the process's own method, which closes the pipes and with them what is still in there.
    process.toHandle().destroyForcibly();
    process.waitFor();
    reader.join();
    noteReader.join();
  }

  /** Waits for its end; empty when it does not come in time. */
  public Optional<Integer> await(long seconds) throws InterruptedException {
    if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
      return Optional.empty();
    }
    reader.join();
    noteReader.join();
    return Optional.of(process.exitValue());
  }

  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(CLOSE_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor(CLOSE_SECONDS, TimeUnit.SECONDS);
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }
}
