package lockstep.replay.channel;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.socket.DatagramPacket;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A socket for heartbeats, and the connections that hear by it. A listening side has one for all,
 * on a port that a firewall's rule can name. Loop thread only, but for the port.
 */
// A socket that closes says so itself; a datagram that is not sent is lost, as others are.
@SuppressWarnings("FutureReturnValueIgnored")
final class HeartbeatSocket {
  private final boolean shared;
  private final LoopGuard guard;
  private final List<NettyLink> links = new ArrayList<>();
  private @Nullable Channel channel;
  private int port;

  /**
   * @param shared whether it stays when no connection hears by it
   */
  HeartbeatSocket(boolean shared, LoopGuard guard) {
    this.shared = shared;
    this.guard = guard;
  }

  /** What goes into the socket's pipeline. */
  SimpleChannelInboundHandler<DatagramPacket> handler() {
    return new Datagrams();
  }

  /** It is bound. */
  void bound(Channel to) {
    channel = to;
    // Asked for while it is open: not every channel knows it later.
    port = ((InetSocketAddress) to.localAddress()).getPort();
  }

  int port() {
    return port;
  }

  /** Whether connections that have this address here can use it. */
  boolean serves(InetSocketAddress local) {
    Channel now = channel;
    if (now == null || !now.isActive()) {
      return false;
    }
    InetSocketAddress at = (InetSocketAddress) now.localAddress();
    return at.getAddress().isAnyLocalAddress() || at.getAddress().equals(local.getAddress());
  }

  void add(NettyLink link) {
    links.add(link);
  }

  /** A connection hears by it no more. */
  void remove(NettyLink link) {
    links.remove(link);
    if (links.isEmpty() && !shared) {
      close();
    }
  }

  void close() {
    Channel now = channel;
    if (now != null) {
      now.close();
    }
  }

  void send(DatagramPacket packet) {
    Channel now = channel;
    if (now != null && now.isActive()) {
      now.writeAndFlush(packet, now.voidPromise());
    } else {
      packet.release();
    }
  }

  /** Each connection has a key of its own, and knows by it which heartbeats are its own. */
  private final class Datagrams extends SimpleChannelInboundHandler<DatagramPacket> {
    @Override
    protected void channelRead0(ChannelHandlerContext context, DatagramPacket packet) {
      if (packet.content().readableBytes() != Heartbeat.BYTES) {
        return;
      }
      byte[] bytes = new byte[Heartbeat.BYTES];
      packet.content().readBytes(bytes);
      for (NettyLink link : List.copyOf(links)) {
        link.datagram(bytes);
      }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
      guard.check(cause);
      // A datagram may fail, for example because nobody hears it: then it is lost, as others are.
    }
  }
}
