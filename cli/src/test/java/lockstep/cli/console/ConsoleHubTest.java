package lockstep.cli.console;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.input.InputQueue;
import org.junit.jupiter.api.Test;

/** Terminals that are attached to a guest's console. */
class ConsoleHubTest {
  private static final long LIMIT_SECONDS = 20;

  private final ByteArrayOutputStream own = new ByteArrayOutputStream();
  private final ConsoleHub hub = new ConsoleHub(own);
  private final InputQueue queue = new InputQueue();

  /** One that keeps what it gets, until told to stop reading. */
  private static final class Terminal extends OutputStream {
    private final ByteArrayOutputStream seen = new ByteArrayOutputStream();
    private final CountDownLatch mayRead;
    private final CountDownLatch closed = new CountDownLatch(1);

    Terminal(boolean reads) {
      mayRead = new CountDownLatch(reads ? 0 : 1);
    }

    @Override
    public void write(int value) throws IOException {
      write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      try {
        mayRead.await();
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
      synchronized (this) {
        seen.write(bytes, offset, length);
      }
    }

    @Override
    public void close() {
      closed.countDown();
    }

    synchronized byte[] seen() {
      return seen.toByteArray();
    }
  }

  /** Attaches it; its keyboard is silent. */
  private PipedOutputStream attach(Terminal terminal) throws Exception {
    PipedOutputStream keyboard = new PipedOutputStream();
    InputStream in = new PipedInputStream(keyboard);
    int before = hub.attached();
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                hub.attach(in, terminal, queue);
              } catch (IOException e) {
                // Its keyboard is gone.
              }
            });
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (hub.attached() == before && System.nanoTime() - until < 0) {
      Thread.sleep(1);
    }
    return keyboard;
  }

  private static byte[] noise(int length) {
    byte[] bytes = new byte[length];
    new Random(length).nextBytes(bytes);
    return bytes;
  }

  @Test
  void twoTerminalsSeeEveryByteAndTheLastWordsToo() throws Exception {
    Terminal one = new Terminal(true);
    Terminal two = new Terminal(true);
    try (PipedOutputStream _ = attach(one);
        PipedOutputStream _ = attach(two)) {
      byte[] all = noise(ConsoleHub.BACKLOG_BYTES);
      for (int i = 0; i < all.length; i++) {
        hub.write(all, i, 1);
      }
      hub.finish();
      assertArrayEquals(all, one.seen());
      assertArrayEquals(all, two.seen());
      assertArrayEquals(all, own.toByteArray());
    }
  }

  @Test
  void oneThatDoesNotReadHoldsNobodyAndIsDropped() throws Exception {
    Terminal slow = new Terminal(false);
    Terminal quick = new Terminal(true);
    try (PipedOutputStream _ = attach(slow);
        PipedOutputStream _ = attach(quick)) {
      // The writes are the proof: with one reader that never reads, all of them come back.
      byte[] piece = noise(1 << 10);
      for (int i = 0; i < 3 * ConsoleHub.BACKLOG_BYTES / piece.length; i++) {
        hub.write(piece, 0, piece.length);
        if (i % 64 == 0) {
          hub.finish();
        }
      }
      assertEquals(1, hub.attached());
      slow.mayRead.countDown();
      assertTrue(slow.closed.await(LIMIT_SECONDS, TimeUnit.SECONDS), "dropped and not closed");
      hub.finish();
      assertEquals(3 * ConsoleHub.BACKLOG_BYTES, quick.seen().length);
      assertEquals(3 * ConsoleHub.BACKLOG_BYTES, own.size());
    }
  }

  @Test
  void whatIsTypedWaitsForRoomInsteadOfBeingLost() throws Exception {
    Terminal terminal = new Terminal(true);
    try (PipedOutputStream keyboard = attach(terminal)) {
      int typed = 3 * InputQueue.CAPACITY;
      Thread typist =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      for (int i = 0; i < typed; i++) {
                        keyboard.write('a' + i % 26);
                        keyboard.flush();
                      }
                    } catch (IOException e) {
                      throw new IllegalStateException(e);
                    }
                  });
      StringBuilder got = new StringBuilder();
      lockstep.monitor.input.HostInputs guest =
          new lockstep.monitor.input.HostInputs(queue, 1, 0, at -> {});
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
      while (got.length() < typed && System.nanoTime() - until < 0) {
        if (guest.due() instanceof lockstep.monitor.input.ExternalInput.ConsoleBytes console) {
          for (byte b : console.content().toArray()) {
            got.append((char) b);
          }
        }
      }
      typist.join();
      assertEquals(typed, got.length());
      for (int i = 0; i < typed; i++) {
        assertEquals((char) ('a' + i % 26), got.charAt(i), "byte " + i);
      }
    }
  }
}
