package lockstep.replay.channel;

import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslHandler;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Optional;

/** Whether and how the two sides show each other who they are: mutual TLS 1.3, or not at all. */
// A connection that closes says so itself.
@SuppressWarnings("FutureReturnValueIgnored")
public final class PeerSecurity {
  private final Optional<SslContext> connecting;
  private final Optional<SslContext> listening;

  PeerSecurity(Optional<SslContext> connecting, Optional<SslContext> listening) {
    this.connecting = connecting;
    this.listening = listening;
  }

  /** Plain TCP: for the loopback interface, and networks that nobody else is on. */
  public static PeerSecurity none() {
    return new PeerSecurity(Optional.empty(), Optional.empty());
  }

  Optional<SslHandler> toBackup(ByteBufAllocator allocator, InetSocketAddress to) {
    return connecting.map(c -> c.newHandler(allocator, to.getHostString(), to.getPort()));
  }

  Optional<SslHandler> toPrimary(ByteBufAllocator allocator) {
    return listening.map(context -> context.newHandler(allocator));
  }

  /** Waits until both sides know each other. Not on the loop's thread. */
  void await(Channel channel, long timeoutMillis) throws IOException {
    SslHandler tls = channel.pipeline().get(SslHandler.class);
    if (tls == null) {
      return;
    }
    if (!tls.handshakeFuture().awaitUninterruptibly(timeoutMillis)
        || !tls.handshakeFuture().isSuccess()) {
      Throwable cause = tls.handshakeFuture().cause();
      channel.close();
      throw new IOException("TLS: " + (cause == null ? "no answer" : cause.getMessage()), cause);
    }
  }

  /** Calls back on the loop's thread when the other side is known; closes on strangers. */
  void whenKnown(Channel channel, Runnable known) {
    SslHandler tls = channel.pipeline().get(SslHandler.class);
    if (tls == null) {
      channel.eventLoop().execute(known);
      return;
    }
    // Reading must go on for the handshake, which Netty's handler asks for itself.
    tls.handshakeFuture()
        .addListener(
            done -> {
              if (done.isSuccess()) {
                known.run();
              } else {
                channel.close();
              }
            });
  }
}
