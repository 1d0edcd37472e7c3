package lockstep.monitor.host;

import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.ExternalInput.ConsoleBytes;
import lockstep.monitor.state.Bytes;
import org.apache.logging.log4j.LogManager;

/**
 * Thread {@code console-in}: reads what is typed and hands it to the vCPU thread in chunks. While
 * the queue is full it waits and reads nothing, so the pipe or terminal holds its writer. The end
 * of the stream ends the thread and nothing else: a guest needs no input to go on.
 */
public final class ConsoleInput {
  /** How long to wait when the queue is full: 1,024 inputs take longer than this. */
  private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  /** Takes an input unless it is full; {@code InputQueue::offer}. */
  @FunctionalInterface
  public interface Inbox {
    /** Returns false when the input must be offered again later. */
    boolean offer(ExternalInput input);
  }

  /** Takes the monitor's keys out of a chunk; {@code ConsoleKeys::filter}. */
  @FunctionalInterface
  public interface Filter {
    /** A filter that leaves everything: for input that is no keyboard. */
    Filter NONE = (keys, length) -> length;

    /** Returns how many bytes at the front of {@code keys} are left. */
    int apply(byte[] keys, int length);
  }

  private final InputStream stream;
  private final Filter filter;
  private final Inbox inbox;
  private volatile boolean closed;

  /** Wires the thread; nothing is read yet. */
  public ConsoleInput(InputStream stream, Filter filter, Inbox inbox) {
    this.stream = stream;
    this.filter = filter;
    this.inbox = inbox;
  }

  /** Starts reading. The thread is a daemon: a read that never ends keeps no process alive. */
  public Thread start() {
    return Thread.ofPlatform().daemon().name("console-in").start(this::run);
  }

  /** What is read from now on is discarded; a thread that waits for room ends. */
  public void close() {
    closed = true;
  }

  private void run() {
    byte[] chunk = new byte[ConsoleBytes.MAX_CONSOLE_BYTES];
    try {
      for (int length = stream.read(chunk); length >= 0; length = stream.read(chunk)) {
        int kept = filter.apply(chunk, length);
        if (kept > 0) {
          handOver(new ConsoleBytes(Bytes.copyOf(chunk, 0, kept)));
        }
        if (closed) {
          return;
        }
      }
    } catch (IOException e) {
      if (!closed) {
        LogManager.getLogger(ConsoleInput.class)
            .warn("console input ended: {}; the guest runs on without it", e.getMessage());
      }
    }
  }

  private void handOver(ConsoleBytes input) {
    while (!closed && !inbox.offer(input)) {
      LockSupport.parkNanos(this, RETRY_NANOS);
    }
  }
}
