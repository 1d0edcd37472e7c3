package lockstep.replay.log;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.CRC32C;
import lockstep.monitor.input.ExternalInput.ConsoleBytes;
import lockstep.monitor.state.Bytes;
import lockstep.sys.Scheduler;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What goes into a pipe on one thread comes out of it on another, byte for byte. */
@Timeout(FramePipeTest.LIMIT_SECONDS)
class FramePipeTest {
  private static final long SEED =
      Long.getLong("lockstep.test.seed", System.nanoTime() & Integer.MAX_VALUE);

  /** For a pipe that loses something, and so somebody who waits for ever. */
  static final long LIMIT_SECONDS = 60;

  private static final int STATE_BYTES = 64 << 20;
  private static final int MOST_BYTES = 700_000;
  private static final int ROOM_BYTES = 1 << 20;

  private static List<ByteBuffer> frames(byte[] state, int entries) throws IOException {
    List<ByteBuffer> frames = new ArrayList<>();
    EntryFramer framer =
        new EntryFramer(
            (header, body, _) ->
                frames.add(
                    ByteBuffer.allocate(header.length + body.remaining())
                        .put(header)
                        .put(body.duplicate())
                        .flip()));
    try (OutputStream out = framer.stateStream()) {
      out.write(state);
    }
    for (int i = 0; i < entries; i++) {
      Bytes typed = Bytes.copyOf(new byte[] {(byte) i});
      framer.append(new LogEntry.Input(new ConsoleBytes(typed)));
    }
    framer.flush();
    return frames;
  }

  /** Reads and writes of any size, the reader now ahead and now behind. */
  @Test
  void bytesComeOutAsTheyWentIn() throws Exception {
    System.out.println("FramePipeTest seed " + SEED);
    Random random = new Random(SEED);
    AtomicInteger drained = new AtomicInteger();
    FramePipe pipe = new FramePipe(ROOM_BYTES, drained::incrementAndGet, Scheduler.HOST);
    CompletableFuture<Long> put = new CompletableFuture<>();
    Thread putter = Thread.ofPlatform().start(() -> putAll(pipe, new Random(SEED + 1), put));
    while (!pipe.isFull()) {
      Thread.sleep(1);
    }
    CRC32C read = new CRC32C();
    byte[] into = new byte[MOST_BYTES];
    LogReader log = LogReader.follow(pipe);
    try (var state = log.stateStream()) {
      int count = state.read(into, 0, 1);
      while (count > 0) {
        read.update(into, 0, count);
        count = state.read(into, 0, 1 + random.nextInt(random.nextBoolean() ? 64 : MOST_BYTES));
      }
    }
    assertEquals(put.get(LIMIT_SECONDS, TimeUnit.SECONDS), read.getValue());
    assertTrue(drained.get() > 0, "nobody was told of room");
    putter.join();
  }

  private static void putAll(FramePipe pipe, Random random, CompletableFuture<Long> checksum) {
    CRC32C put = new CRC32C();
    try {
      for (int done = 0; done < STATE_BYTES; ) {
        byte[] state = new byte[1 + random.nextInt(random.nextBoolean() ? 64 : MOST_BYTES)];
        random.nextBytes(state);
        for (ByteBuffer frame : frames(state, 0)) {
          while (pipe.isFull()) {
            Thread.onSpinWait();
          }
          pipe.put(frame);
          pipe.wake();
        }
        put.update(state);
        done += state.length;
      }
      pipe.end();
      checksum.complete(put.getValue());
    } catch (IOException e) {
      pipe.end();
      checksum.completeExceptionally(e);
    }
  }

  @Test
  void countsEntriesAndRefusesWhatIsDamagedOrOutOfOrder() throws Exception {
    FramePipe pipe = new FramePipe(ROOM_BYTES, () -> {}, Scheduler.HOST);
    List<ByteBuffer> frames = frames(new byte[100], 7);
    assertEquals(2, frames.size());
    ByteBuffer damaged = ByteBuffer.wrap(frames.getFirst().array().clone());
    damaged.array()[damaged.limit() - 1]++;
    assertThrows(LogFormatException.class, () -> pipe.put(damaged));
    assertEquals(0, pipe.put(frames.getFirst()));
    assertEquals(7, pipe.put(frames.getLast()));
    assertThrows(LogFormatException.class, () -> pipe.put(frames.getLast()));
    ByteBuffer cut = frames.getFirst().duplicate().limit(10);
    assertThrows(LogFormatException.class, () -> pipe.put(cut));
    pipe.end();
    LogReader log = LogReader.follow(pipe);
    ByteArrayOutputStream state = new ByteArrayOutputStream();
    log.stateStream().transferTo(state);
    assertEquals(100, state.size());
    for (int i = 0; i < 7; i++) {
      assertTrue(log.take() instanceof LogEntry.Input);
    }
  }
}
