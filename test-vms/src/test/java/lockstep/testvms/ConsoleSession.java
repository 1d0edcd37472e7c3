package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * {@code lockstep run} with a Linux guest, in a process of its own: types on its console and waits
 * for what comes back. Every wait is bounded.
 */
public final class ConsoleSession implements AutoCloseable {
  /** What the shell of the guest's init shows when it waits for a command. */
  static final String PROMPT = "lockstep# ";

  private static final long ANSWER_LIMIT_SECONDS = 300;

  private final Process process;
  private final StringBuilder transcript = new StringBuilder();
  private final Thread reader;

  /** Starts {@code lockstep run} with these arguments. */
  ConsoleSession(String... arguments) throws IOException {
    this("run", List.of(arguments));
  }

  /** Starts any command, such as {@code lockstep replay}. */
  public static ConsoleSession of(String name, String... arguments) throws IOException {
    return new ConsoleSession(name, List.of(arguments));
  }

  private ConsoleSession(String name, List<String> arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("-Dlockstep.home=" + System.getProperty("lockstep.home"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of("lockstep.cli.Main", name));
    command.addAll(arguments);
    process = new ProcessBuilder(command).redirectErrorStream(true).start();
    reader = Thread.ofPlatform().daemon().name("linux-console").start(this::read);
  }

  private void read() {
    byte[] buffer = new byte[4096];
    InputStream from = process.getInputStream();
    try {
      for (int n = from.read(buffer); n > 0; n = from.read(buffer)) {
        synchronized (transcript) {
          transcript.append(new String(buffer, 0, n, StandardCharsets.ISO_8859_1));
          transcript.notifyAll();
        }
      }
    } catch (IOException e) {
      // The process has ended; what it wrote before is in the transcript.
    }
  }

  public String transcript() {
    synchronized (transcript) {
      return transcript.toString();
    }
  }

  void type(String line) throws IOException {
    typeRaw(line + "\n");
  }

  void typeRaw(String keys) throws IOException {
    OutputStream to = process.getOutputStream();
    to.write(keys.getBytes(StandardCharsets.US_ASCII));
    to.flush();
  }

  /** Sends SIGTERM and keeps the streams open, as Process.destroy would not. */
  void terminate() {
    process.toHandle().destroy();
  }

  /** Types a line and returns everything up to the next prompt. */
  String answerTo(String line) throws Exception {
    int before = transcript().length();
    type(line);
    return await(before, PROMPT, ANSWER_LIMIT_SECONDS);
  }

  void await(String text, long limitSeconds) throws InterruptedException {
    await(0, text, limitSeconds);
  }

  private String await(int from, String text, long limitSeconds) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitSeconds);
    synchronized (transcript) {
      while (transcript.indexOf(text, from) < 0) {
        long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
        assertTrue(leftMillis > 0, "no '" + text + "' within its time:\n" + transcript);
        transcript.wait(leftMillis);
      }
      return transcript.substring(from);
    }
  }

  public int exitCode() throws InterruptedException {
    assertTrue(process.waitFor(ANSWER_LIMIT_SECONDS, TimeUnit.SECONDS), "did not end");
    reader.join(TimeUnit.SECONDS.toMillis(ANSWER_LIMIT_SECONDS));
    return process.exitValue();
  }

  /** Ends the process without warning, as a crash does. */
  void kill() {
    process.destroyForcibly().onExit().join();
  }

  @Override
  public void close() {
    process.destroyForcibly().onExit().join();
  }
}
