package lockstep.replay.channel;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.DatagramPacket;
import io.netty.handler.codec.CorruptedFrameException;
import io.netty.handler.codec.DecoderException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.peer.PeerLink;
import lockstep.replay.ft.protocol.FtAction;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.PeerCodec;
import lockstep.replay.ft.protocol.PeerMessage;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/** One connection, with the socket for its heartbeats. */
// What fails in sending ends the connection, and that is told: nobody needs the single futures.
@SuppressWarnings("FutureReturnValueIgnored")
final class NettyLink extends ChannelInboundHandlerAdapter implements PeerLink {
  private static final Logger LOG = LogManager.getLogger(NettyLink.class);

  /** A wait for room looks again after this long: a millionth of a second is lost at most. */
  private static final long ROOM_NANOS = TimeUnit.MICROSECONDS.toNanos(100);

  /** What was sent last, a Bye for example, gets so long to leave. */
  private static final long CLOSE_MILLIS = 200;

  private final Channel channel;
  private final OrderedWrites writes;
  private final HeartbeatSocket datagrams;
  private final LoopGuard guard;
  private final boolean connected;
  private final Runnable firstWord;
  private Listener listener = new NoListener();

  /** Something came in that makes sense. Loop thread only. */
  private boolean introduced;

  /** A message came in since this was last asked. Loop thread only. */
  private boolean spoke;

  /** Loop thread only. */
  private @Nullable Heartbeat heartbeat;

  private @Nullable InetSocketAddress beatsTo;
  private String why = "";
  private boolean told;
  private volatile boolean closing;

  /**
   * @param connected whether this side opened the connection
   * @param datagrams bound
   * @param firstWord told when something comes in that makes sense
   */
  NettyLink(
      Channel channel,
      HeartbeatSocket datagrams,
      LoopGuard guard,
      boolean connected,
      Runnable firstWord) {
    this.channel = channel;
    this.writes = new OrderedWrites(channel, guard);
    this.datagrams = datagrams;
    this.guard = guard;
    this.connected = connected;
    this.firstWord = firstWord;
    datagrams.add(this);
  }

  /** Sets who hears; before the first message can come in. */
  void listener(Listener newListener) {
    listener = newListener;
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object received) {
    ByteBuf buffer = (ByteBuf) received;
    try {
      if (!closing) {
        hear(buffer);
      }
    } catch (IllegalArgumentException e) {
      why = "it said what makes no sense: " + e.getMessage();
      // To those of another version, in words that every version understands.
      send(new PeerMessage.Refuse(String.valueOf(e.getMessage())));
      channel.close();
    } finally {
      buffer.release();
    }
  }

  /** Closes it unless something has come in by then: a stranger's room is another one's. */
  void expectWord(long millis) {
    channel
        .eventLoop()
        .schedule(
            guard.task(
                () -> {
                  if (!introduced) {
                    why = "it said nothing for " + millis + " ms";
                    channel.close();
                  }
                }),
            millis,
            TimeUnit.MILLISECONDS);
  }

  private void hear(ByteBuf message) {
    spoke = true;
    if (PeerFrames.isFrame(message)) {
      listener.frame(message.skipBytes(1).nioBuffer());
    } else {
      PeerMessage received = PeerCodec.decode(message.nioBuffer());
      if (!introduced) {
        introduced = true;
        firstWord.run();
      }
      listener.received(received);
    }
  }

  /** Bytes came in, and what messages they completed has been told. Loop thread only. */
  void arrived() {
    if (!spoke && !closing) {
      listener.bytes();
    }
    spoke = false;
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext context) {
    if (!closing) {
      listener.batchReceived();
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    guard.check(cause);
    Throwable root =
        cause instanceof DecoderException && cause.getCause() != null ? cause.getCause() : cause;
    why = String.valueOf(root.getMessage());
    if (!(root instanceof IOException) && !(root instanceof CorruptedFrameException)) {
      LOG.debug("channel to {}", peer(), cause);
    }
    channel.close();
  }

  /** A channel that was closed before it is told to nobody else. */
  @Override
  public void handlerAdded(ChannelHandlerContext context) {
    PeerFrames.tellArrivals(context.pipeline(), this);
    if (!context.channel().isActive()) {
      channelInactive(context);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext context) {
    if (!told && !closing) {
      told = true;
      // A reset is the other kernel's word as well; a time-out is only our own.
      boolean byPeer = why.isEmpty() || why.contains("reset") || why.contains("Broken pipe");
      // Heartbeats by UDP are heard until this side has had enough.
      listener.closed(byPeer, why.isEmpty() ? "closed by " + peer() : why);
    }
  }

  /** A datagram came in, perhaps for another connection. Loop thread. */
  void datagram(byte[] bytes) {
    Heartbeat now = heartbeat;
    if (now != null && !closing) {
      now.decode(bytes).ifPresent(listener::beat);
    }
  }

  @Override
  public void send(PeerMessage message) {
    writes.write(PeerFrames.message(channel.alloc(), PeerCodec.encode(message)));
  }

  @Override
  public void sendFrame(byte[] header, ByteBuffer body) throws InterruptedException {
    while (!hasRoom()) {
      if (Thread.interrupted()) {
        throw new InterruptedException("told to end");
      }
      LockSupport.parkNanos(this, ROOM_NANOS);
    }
    writes.write(PeerFrames.frame(channel.alloc(), header, body));
  }

  @Override
  public boolean hasRoom() {
    return channel.isWritable() || !channel.isActive();
  }

  @Override
  public void sendBeat(FtAction.SendBeat beat) {
    if (!beat.asks()) {
      send(new PeerMessage.Beat(beat.sequence(), beat.echo()));
    }
    channel.eventLoop().execute(guard.task(() -> beatByDatagram(beat)));
  }

  private void beatByDatagram(FtAction.SendBeat beat) {
    Heartbeat now = heartbeat;
    InetSocketAddress to = beatsTo;
    if (now != null && to != null && !closing) {
      datagrams.send(new DatagramPacket(Unpooled.wrappedBuffer(now.encode(beat)), to));
    }
  }

  @Override
  public int heartbeatPort() {
    return datagrams.port();
  }

  @Override
  public void startBeats(Bytes key, int peerPort) {
    InetSocketAddress remote = (InetSocketAddress) channel.remoteAddress();
    if (remote == null) {
      return; // Already gone, which is told another way.
    }
    channel
        .eventLoop()
        .execute(
            guard.task(
                () -> {
                  heartbeat = new Heartbeat(key, connected);
                  beatsTo = new InetSocketAddress(remote.getAddress(), peerPort);
                }));
  }

  @Override
  public void reading(boolean on) {
    channel.config().setAutoRead(on);
  }

  @Override
  public void close() {
    closing = true;
    channel.eventLoop().execute(guard.task(() -> datagrams.remove(this)));
    writes.lastWrite().addListener(guard.listener(_ -> channel.close()));
    channel.eventLoop().schedule(() -> channel.close(), CLOSE_MILLIS, TimeUnit.MILLISECONDS);
  }

  @Override
  public String peer() {
    return PeerNetwork.show((InetSocketAddress) channel.remoteAddress());
  }

  /** Before there is a listener nothing is read, so nothing can come in. */
  private static final class NoListener implements Listener {
    @Override
    public void received(PeerMessage message) {
      throw new IllegalStateException("a message before its listener");
    }

    @Override
    public void beat(FtEvent.Beat beat) {
      throw new IllegalStateException("a heartbeat before its listener");
    }

    @Override
    public void bytes() {
      // Of a channel without layers above: nothing that anything depends on.
    }

    @Override
    public void frame(ByteBuffer frame) {
      throw new IllegalStateException("a frame before its listener");
    }

    @Override
    public void batchReceived() {
      // Nothing was said.
    }

    @Override
    public void closed(boolean byPeer, String reason) {
      // Whoever made the link finds it closed.
    }
  }
}
