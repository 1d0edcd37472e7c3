package lockstep.monitor.host;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import lockstep.monitor.input.ExternalInput;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The console's threads and keys, on streams. */
@Timeout(60)
class ConsoleTest {
  private static final ConsoleOutput.Broken NEVER =
      cause -> {
        throw new AssertionError("broken", cause);
      };

  @Test
  void everyByteOfABurstBeyondTheBufferComesOutInOrder() {
    long seed = System.nanoTime();
    byte[] burst = new byte[3 * ConsoleOutput.CAPACITY_BYTES + 17];
    new Random(seed).nextBytes(burst);
    ByteArrayOutputStream stream = new ByteArrayOutputStream();
    try (ConsoleOutput output = new ConsoleOutput(stream, NEVER)) {
      for (byte value : burst) {
        output.consoleByte(value & 0xff);
      }
    }
    assertArrayEquals(burst, stream.toByteArray(), "seed " + seed);
  }

  @Test
  void aByteAfterAPauseComesOutWithoutClosing() throws Exception {
    CountDownLatch seen = new CountDownLatch(2);
    OutputStream stream =
        new OutputStream() {
          @Override
          public void write(int value) {
            seen.countDown();
          }
        };
    try (ConsoleOutput output = new ConsoleOutput(stream, NEVER)) {
      output.consoleByte('a');
      Thread.sleep(Duration.ofMillis(50));
      output.consoleByte('b');
      assertTrue(seen.await(10, TimeUnit.SECONDS), "a byte stayed in the buffer");
    }
  }

  @Test
  void aBrokenStreamIsToldOnceAndHoldsNobody() {
    AtomicInteger told = new AtomicInteger();
    OutputStream stream =
        new OutputStream() {
          @Override
          public void write(int value) throws IOException {
            throw new IOException("Broken pipe");
          }
        };
    try (ConsoleOutput output = new ConsoleOutput(stream, cause -> told.incrementAndGet())) {
      for (int i = 0; i < 3 * ConsoleOutput.CAPACITY_BYTES; i++) {
        output.consoleByte('x');
      }
    }
    assertEquals(1, told.get());
  }

  /** A reader that is slow loses nothing, and one that reads nothing is told of. */
  @Test
  void theEndWaitsForAReaderThatReadsAndTellsWhatIsLost() throws Exception {
    Semaphore reads = new Semaphore(0);
    AtomicInteger written = new AtomicInteger();
    OutputStream stream =
        new OutputStream() {
          @Override
          public void write(int value) {
            throw new IllegalStateException("byte by byte");
          }

          @Override
          public void write(byte[] from, int offset, int count) {
            reads.acquireUninterruptibly();
            written.addAndGet(count);
          }
        };
    int pieces = 8;
    int bytes = pieces << 12;
    ConsoleOutput output = new ConsoleOutput(stream, NEVER);
    for (int i = 0; i < bytes; i++) {
      output.consoleByte('x');
    }
    Thread reader =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (written.get() < bytes / 2) {
                    reads.release();
                    LockSupport.parkNanos(1_000_000);
                  }
                });
    long lost = output.finish(500);
    reader.join();
    assertTrue(lost > 0, "all of it was read");
    assertEquals(bytes, written.get() + lost);
    reads.release(bytes);
    assertEquals(0, output.finish(60_000));
    assertEquals(bytes, written.get());
  }

  @Test
  void inputWaitsForRoomAndLosesNothing() throws Exception {
    byte[] typed = new byte[3 * ExternalInput.ConsoleBytes.MAX_CONSOLE_BYTES + 5];
    for (int i = 0; i < typed.length; i++) {
      typed[i] = (byte) i;
    }
    ByteArrayOutputStream received = new ByteArrayOutputStream();
    AtomicInteger offers = new AtomicInteger();
    ConsoleInput input =
        new ConsoleInput(
            new ByteArrayInputStream(typed),
            ConsoleInput.Filter.NONE,
            offered -> {
              if (offers.incrementAndGet() % 3 != 0) {
                return false;
              }
              byte[] content = ((ExternalInput.ConsoleBytes) offered).content().toArray();
              received.write(content, 0, content.length);
              return true;
            });
    input.start().join();
    assertArrayEquals(typed, received.toByteArray());
  }

  @Test
  void keysForTheMonitorDoNotReachTheGuest() {
    List<String> calls = new ArrayList<>();
    ConsoleKeys keys = keys(calls);
    assertEquals("ab\001cd", filtered(keys, "a\001hb\001\001c\001xd\001q\001s"));
    assertEquals(List.of("help", "leave", "snapshot"), calls);
  }

  @Test
  void aPrefixAtTheEndOfAChunkCountsInTheNext() {
    List<String> calls = new ArrayList<>();
    ConsoleKeys keys = keys(calls);
    assertEquals("a", filtered(keys, "a\001"));
    assertFalse(calls.contains("leave"));
    assertEquals("", filtered(keys, "x"));
    assertEquals(List.of("leave"), calls);
  }

  private static ConsoleKeys keys(List<String> calls) {
    return new ConsoleKeys(
        () -> calls.add("leave"), () -> calls.add("snapshot"), () -> calls.add("help"));
  }

  private static String filtered(ConsoleKeys keys, String typed) {
    byte[] bytes = typed.getBytes(StandardCharsets.ISO_8859_1);
    int length = keys.filter(bytes, bytes.length);
    return new String(bytes, 0, length, StandardCharsets.ISO_8859_1);
  }
}
