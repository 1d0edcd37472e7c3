package lockstep.testvms.lab;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A lab host that is not started yet, for who wants several at once, or to end one without warning.
 * {@link #command} starts it; standard input and output of that process are the job's, byte for
 * byte, and standard error carries the job's own and the boot messages before it. To kill the
 * process is to cut the host's power.
 */
public final class LabHost implements AutoCloseable {
  private static final Pattern RESULT = Pattern.compile("exit ([0-9]+)");
  private static final String PROMPT = "(qemu) ";
  private static final int ANSWER_BYTES = 4096;
  private static final long ANSWER_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final List<String> command;
  private final Path work;

  /**
   * @param work belongs to this and is deleted when it is closed
   */
  LabHost(List<String> command, Path work) {
    this.command = command;
    this.work = work;
  }

  static Path result(Path work) {
    return work.resolve("result");
  }

  static Path monitor(Path work) {
    return work.resolve("monitor");
  }

  /** Starts it. It is killed with the thread that does so. */
  public List<String> command() {
    return command;
  }

  /** The job's exit code; empty while it runs, and when the host stopped before the job's end. */
  public OptionalInt exitCode() throws IOException {
    return exitCode(result(work));
  }

  /** What the init script wrote there. */
  static OptionalInt exitCode(Path result) throws IOException {
    Matcher exit = RESULT.matcher(Files.exists(result) ? Files.readString(result) : "");
    return exit.find() ? OptionalInt.of(Integer.parseInt(exit.group(1))) : OptionalInt.empty();
  }

  /**
   * Pulls one of its cables, or puts it back.
   *
   * @throws IOException when QEMU does not run or refuses
   */
  public void plug(LabNetwork.Cable cable, boolean in) throws IOException {
    tell("set_link %s %s".formatted(cable.label(), in ? "on" : "off"));
  }

  /**
   * Has it stand, its clocks and all, or go on as if nothing had been.
   *
   * @throws IOException as for {@link #plug}
   */
  public void stand(boolean still) throws IOException {
    tell(still ? "stop" : "cont");
  }

  private void tell(String line) throws IOException {
    try (SocketChannel monitor = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      monitor.connect(UnixDomainSocketAddress.of(monitor(work)));
      monitor.configureBlocking(false);
      answer(monitor);
      monitor.write(ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.US_ASCII)));
      String said = answer(monitor);
      if (said.contains("Error")) {
        throw new IOException("QEMU's monitor: " + said.strip());
      }
    }
  }

  private static String answer(SocketChannel monitor) throws IOException {
    StringBuilder text = new StringBuilder();
    ByteBuffer buffer = ByteBuffer.allocate(ANSWER_BYTES);
    long until = System.nanoTime() + ANSWER_NANOS;
    try (Selector selector = Selector.open()) {
      monitor.register(selector, SelectionKey.OP_READ);
      // It repeats what is typed, with escape sequences, and ends with its prompt on a line.
      while (!text.toString().endsWith(PROMPT)) {
        long left = until - System.nanoTime();
        if (left <= 0) {
          throw new IOException("QEMU's monitor does not answer: " + text);
        }
        selector.select(1 + left / 1_000_000);
        if (monitor.read(buffer.clear()) < 0) {
          throw new IOException("QEMU's monitor ended: " + text);
        }
        text.append(StandardCharsets.ISO_8859_1.decode(buffer.flip()));
      }
    }
    return text.toString();
  }

  @Override
  public void close() throws IOException {
    LabCache.delete(work);
  }
}
