package lockstep.replay.channel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.DataOutputStream;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.peer.PeerLink;
import lockstep.replay.ft.protocol.FtAction;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.PeerCodec;
import lockstep.replay.ft.protocol.PeerMessage;
import lockstep.sys.HostScheduler;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * An Error on the loop's thread ends the process, wherever it comes up: Netty would log it, and
 * close the connection at most, while heartbeats go on.
 */
class LoopFailStopTest {
  private static final long LIMIT_SECONDS = 60;

  /** More than one address gets. */
  private static final int STRANGERS = Callers.MOST_OF_ONE_ADDRESS + 1;

  private static final Bytes KEY = Bytes.copyOf(new byte[PeerMessage.KEY_BYTES]);

  /** What this side's own code is called for. */
  enum Call {
    ACCEPT,
    TURNED_AWAY,
    BYTES,
    SAID,
    FRAME,
    SAID_ALL,
    BEAT,
    CLOSED
  }

  private final BlockingQueue<String> failed = new LinkedBlockingQueue<>();

  private final PeerNetwork network =
      new PeerNetwork(
          PeerSecurity.none(),
          0,
          TimeUnit.SECONDS.toMillis(LIMIT_SECONDS),
          new HostScheduler() {
            @Override
            public void failStop(String line) {
              failed.add(line);
            }

            @Override
            public void failStop(String thread, Throwable cause) {
              failed.add(thread + ": " + cause.getMessage());
            }
          });

  @AfterEach
  void close() {
    network.close();
  }

  /** Fails at one call. */
  private record FailingListener(Call at) implements PeerLink.Listener {
    void meet(Call now) {
      if (now == at) {
        throw new StackOverflowError("planted at " + now);
      }
    }

    @Override
    public void received(PeerMessage message) {
      meet(Call.SAID);
    }

    @Override
    public void beat(FtEvent.Beat beat) {
      meet(Call.BEAT);
    }

    @Override
    public void bytes() {
      meet(Call.BYTES);
    }

    @Override
    public void frame(ByteBuffer frame) {
      meet(Call.FRAME);
    }

    @Override
    public void batchReceived() {
      meet(Call.SAID_ALL);
    }

    @Override
    public void closed(boolean byPeer, String reason) {
      meet(Call.CLOSED);
    }
  }

  private static void say(Socket to, byte[] message) throws IOException {
    DataOutputStream out = new DataOutputStream(to.getOutputStream());
    out.writeInt(message.length);
    out.write(message);
  }

  @ParameterizedTest
  @EnumSource(Call.class)
  void errorOnTheLoopIsTheEndOfThisSide(Call call) throws Exception {
    FailingListener broken = new FailingListener(call);
    InetSocketAddress at =
        network.listen(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
            link -> {
              broken.meet(Call.ACCEPT);
              link.startBeats(KEY, 7);
              return broken;
            },
            (_, _) -> broken.meet(Call.TURNED_AWAY));
    List<Socket> strangers = new ArrayList<>();
    try (Socket caller = new Socket(at.getAddress(), at.getPort());
        DatagramSocket datagrams = new DatagramSocket()) {
      say(caller, PeerCodec.encode(new PeerMessage.Beat(1, 0)));
      say(caller, new byte[] {PeerCodec.FRAME, 1, 2, 3});
      // A message that has only begun.
      caller.getOutputStream().write(new byte[] {0, 1, 0, 0, 2});
      if (call == Call.TURNED_AWAY) {
        for (int i = 0; i < STRANGERS; i++) {
          strangers.add(new Socket(at.getAddress(), at.getPort()));
        }
      }
      byte[] beat = new Heartbeat(KEY, true).encode(new FtAction.SendBeat(1, 0, false));
      DatagramPacket packet = new DatagramPacket(beat, beat.length, at);
      String found = null;
      for (long i = 0; found == null && i < 100 * LIMIT_SECONDS; i++) {
        if (call == Call.BEAT) {
          datagrams.send(packet);
        } else if (call == Call.BYTES) {
          // One after the other: what comes together with a message counts as one.
          caller.getOutputStream().write(0);
        } else if (call == Call.CLOSED && i == 10) {
          caller.shutdownOutput();
        }
        found = failed.poll(10, TimeUnit.MILLISECONDS);
      }
      assertEquals(LoopGuard.THREAD + ": planted at " + call, found);
    } finally {
      for (Socket stranger : strangers) {
        stranger.close();
      }
    }
  }

  /** What a stranger sends may lead to an exception, and must cost this side nothing. */
  @Test
  void nonsenseIsNoReasonToEnd() throws Exception {
    InetSocketAddress at =
        network.listen(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
            _ ->
                new PeerLink.Listener() {
                  @Override
                  public void received(PeerMessage message) {
                    throw new IllegalStateException("planted");
                  }

                  @Override
                  public void beat(FtEvent.Beat beat) {
                    // None comes.
                  }

                  @Override
                  public void bytes() {
                    // Of no account.
                  }

                  @Override
                  public void frame(ByteBuffer frame) {
                    // None comes.
                  }

                  @Override
                  public void batchReceived() {
                    // Of no account.
                  }

                  @Override
                  public void closed(boolean byPeer, String reason) {
                    // As it should be.
                  }
                },
            (_, _) -> {});
    try (Socket caller = new Socket(at.getAddress(), at.getPort())) {
      caller.setSoTimeout((int) TimeUnit.SECONDS.toMillis(LIMIT_SECONDS));
      say(caller, PeerCodec.encode(new PeerMessage.Beat(1, 0)));
      assertEquals(-1, caller.getInputStream().read());
    }
    network.close();
    assertEquals(List.of(), List.copyOf(failed));
  }

  @Test
  void loopThatEndsByItselfIsTheEndOfThisSide() throws Exception {
    network.loop().shutdown();
    assertEquals(
        "thread peer-loop has ended, which is a bug of Lockstep; the process ends",
        failed.poll(LIMIT_SECONDS, TimeUnit.SECONDS));
  }
}
