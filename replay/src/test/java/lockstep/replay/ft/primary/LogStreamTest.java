package lockstep.replay.ft.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.Thread.State;
import java.nio.ByteBuffer;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.peer.PeerLink;
import lockstep.replay.ft.protocol.FtAction;
import lockstep.replay.ft.protocol.PeerMessage;
import lockstep.sys.Scheduler;
import org.junit.jupiter.api.Test;

/** How far a primary may be ahead: a backup that has to stop reading hears no heartbeats either. */
class LogStreamTest {
  private static final int FRAME_BYTES = 1 << 20;
  private static final int MOST_FRAMES = 64;

  /** Counts frames, and drops them. */
  private static final class Wire implements PeerLink {
    private final AtomicInteger frames = new AtomicInteger();
    private final Runnable onFrame;

    Wire(Runnable onFrame) {
      this.onFrame = onFrame;
    }

    @Override
    public void send(PeerMessage message) {
      throw new AssertionError("a message");
    }

    @Override
    public void sendFrame(byte[] header, ByteBuffer body) {
      frames.incrementAndGet();
      onFrame.run();
    }

    @Override
    public boolean hasRoom() {
      return true;
    }

    @Override
    public void sendBeat(FtAction.SendBeat beat) {
      throw new AssertionError("a heartbeat");
    }

    @Override
    public int heartbeatPort() {
      return 7;
    }

    @Override
    public void startBeats(Bytes key, int peerPort) {
      throw new AssertionError("heartbeats");
    }

    @Override
    public void reading(boolean on) {
      throw new AssertionError("reading");
    }

    @Override
    public void close() {
      throw new AssertionError("the end");
    }

    @Override
    public String peer() {
      return "there";
    }
  }

  /** A thread that stands still in the middle of a frame is excused by nothing. */
  @Test
  void frameThatIsBeingSentWaitsForNobodyWhileThereIsRoom() throws Exception {
    AtomicBoolean waited = new AtomicBoolean(true);
    AtomicReference<LogStream> sending = new AtomicReference<>();
    Wire wire = new Wire(() -> waited.set(Objects.requireNonNull(sending.get()).isWaiting()));
    LogStream stream = new LogStream(wire, Scheduler.HOST);
    sending.set(stream);
    stream.frame(new byte[0], ByteBuffer.allocate(1), 1);
    assertFalse(waited.get());
    stream.frame(new byte[0], ByteBuffer.allocate(32 * FRAME_BYTES), 2);
    assertTrue(stream.isWaiting(), "the backup is 32 MiB behind");
  }

  @Test
  void primaryWaitsForTheReplayAsForAcknowledgements() throws Exception {
    Wire wire = new Wire(() -> {});
    LogStream stream = new LogStream(wire, Scheduler.HOST);
    Thread vcpu =
        Thread.ofPlatform()
            .start(
                () -> {
                  try {
                    for (int i = 1; i <= MOST_FRAMES; i++) {
                      stream.frame(new byte[0], ByteBuffer.allocate(FRAME_BYTES), i);
                      // Received at once, and not replayed.
                      stream.acknowledged(i);
                    }
                  } catch (IOException e) {
                    throw new UncheckedIOException(e);
                  }
                });
    while (vcpu.getState() != State.WAITING) {
      assertTrue(vcpu.isAlive(), "nothing is bounded");
      Thread.sleep(1);
    }
    // 16 MiB, and the frame with which they are exceeded.
    assertEquals(17, wire.frames.get());
    while (vcpu.isAlive()) {
      stream.replayed(wire.frames.get(), 0);
      Thread.sleep(1);
    }
    assertEquals(MOST_FRAMES, wire.frames.get());
  }
}
