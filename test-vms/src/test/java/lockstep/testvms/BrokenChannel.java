package lockstep.testvms;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.zip.CRC32C;
import lockstep.monitor.state.Bytes;
import lockstep.replay.channel.PeerNetwork;
import lockstep.replay.ft.peer.PeerConnector;
import lockstep.replay.ft.peer.PeerLink;
import lockstep.replay.ft.protocol.FtAction;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.PeerMessage;

/**
 * A primary's network that can make one frame of the log one that nobody understands, with all its
 * checksums right: as if a newer primary had written it. It can also be cut, both ways and for
 * good.
 */
final class BrokenChannel implements PeerConnector {
  /** Where things stand in a frame's header (docs/log-format.md). */
  private static final int TYPE_AT = 4;

  private static final int BODY_CHECKSUM_AT = 12;
  private static final int ENTRIES_AT = 24;
  private static final int HEADER_CHECKSUM_AT = 28;
  private static final int ENTRIES = 2;
  private static final byte NO_KIND = 99;

  private final PeerNetwork network;
  private final AtomicBoolean due = new AtomicBoolean();
  private volatile boolean muted;
  private volatile boolean cut;

  BrokenChannel(PeerNetwork network) {
    this.network = network;
  }

  /** Nothing that this side says arrives any more; what the other side says does. */
  void mute() {
    muted = true;
  }

  /** The next frame with entries begins with one that does not exist. */
  void breakNextEntry() {
    due.set(true);
  }

  /** From now on nothing goes out or comes in. */
  void cut() {
    cut = true;
  }

  @Override
  public ScheduledExecutorService loop() {
    return network.loop();
  }

  @Override
  public PeerLink connect(InetSocketAddress to, long timeoutMillis, PeerLink.Listener listener)
      throws IOException, InterruptedException {
    return new Link(network.connect(to, timeoutMillis, new Uncut(listener)));
  }

  /** Hears nothing once the network is cut. */
  private final class Uncut implements PeerLink.Listener {
    private final PeerLink.Listener to;

    Uncut(PeerLink.Listener to) {
      this.to = to;
    }

    private void unlessCut(Runnable heard) {
      if (!cut) {
        heard.run();
      }
    }

    @Override
    public void received(PeerMessage message) {
      unlessCut(() -> to.received(message));
    }

    @Override
    public void beat(FtEvent.Beat beat) {
      unlessCut(() -> to.beat(beat));
    }

    @Override
    public void bytes() {
      unlessCut(to::bytes);
    }

    @Override
    public void frame(ByteBuffer frame) {
      unlessCut(() -> to.frame(frame));
    }

    @Override
    public void batchReceived() {
      unlessCut(to::batchReceived);
    }

    @Override
    public void closed(boolean byPeer, String reason) {
      unlessCut(() -> to.closed(byPeer, reason));
    }
  }

  private final class Link implements PeerLink {
    private final PeerLink link;

    Link(PeerLink link) {
      this.link = link;
    }

    @Override
    public void sendFrame(byte[] header, ByteBuffer body) throws InterruptedException {
      if (muted || cut) {
        return;
      }
      ByteBuffer fields = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
      if (fields.getInt(TYPE_AT) == ENTRIES
          && fields.getInt(ENTRIES_AT) > 0
          && due.compareAndSet(true, false)) {
        byte[] broken = new byte[body.remaining()];
        body.get(body.position(), broken);
        broken[0] = NO_KIND;
        fields.putInt(BODY_CHECKSUM_AT, checksum(broken, broken.length));
        fields.putInt(HEADER_CHECKSUM_AT, checksum(header, HEADER_CHECKSUM_AT));
        link.sendFrame(header, ByteBuffer.wrap(broken));
      } else {
        link.sendFrame(header, body);
      }
    }

    @Override
    public boolean hasRoom() {
      return muted || cut || link.hasRoom();
    }

    private static int checksum(byte[] bytes, int length) {
      CRC32C crc = new CRC32C();
      crc.update(bytes, 0, length);
      return (int) crc.getValue();
    }

    @Override
    public void send(PeerMessage message) {
      if (!muted && !cut) {
        link.send(message);
      }
    }

    @Override
    public void sendBeat(FtAction.SendBeat beat) {
      if (!muted && !cut) {
        link.sendBeat(beat);
      }
    }

    @Override
    public int heartbeatPort() {
      return link.heartbeatPort();
    }

    @Override
    public void startBeats(Bytes key, int peerPort) {
      link.startBeats(key, peerPort);
    }

    @Override
    public void reading(boolean on) {
      link.reading(on);
    }

    @Override
    public void close() {
      link.close();
    }

    @Override
    public String peer() {
      return link.peer();
    }
  }
}
