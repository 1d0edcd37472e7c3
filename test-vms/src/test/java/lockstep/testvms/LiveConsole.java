package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.TimeUnit;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.output.ConsoleSink;
import lockstep.monitor.state.Bytes;

/** The console of a guest in this process: types, and waits for what comes back. */
final class LiveConsole implements ConsoleSink {
  private final InputQueue queue;
  private final StringBuilder transcript = new StringBuilder();
  private int read;

  LiveConsole(InputQueue queue) {
    this.queue = queue;
  }

  @Override
  public void consoleByte(int value) {
    synchronized (transcript) {
      transcript.append((char) (value & 0xff));
      transcript.notifyAll();
    }
  }

  String transcript() {
    synchronized (transcript) {
      return transcript.toString();
    }
  }

  void type(String text) {
    if (!text.isEmpty()) {
      assertTrue(
          queue.offer(new ExternalInput.ConsoleBytes(Bytes.copyOf(text.getBytes(ISO_8859_1)))),
          "the input queue is full");
    }
  }

  void stopGuest() {
    assertTrue(
        queue.offer(new ExternalInput.HostDecision(ExternalInput.Decision.STOP)),
        "the input queue is full");
  }

  /** Waits for a text behind what was awaited last. */
  void await(String text, long limitSeconds) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitSeconds);
    synchronized (transcript) {
      int at = transcript.indexOf(text, read);
      while (at < 0) {
        long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
        assertTrue(leftMillis > 0, "no '" + text + "' within its time:\n" + transcript);
        transcript.wait(leftMillis);
        at = transcript.indexOf(text, read);
      }
      read = at + text.length();
    }
  }
}
