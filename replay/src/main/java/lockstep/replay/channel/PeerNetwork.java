package lockstep.replay.channel;

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.AdaptiveRecvByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.ConnectTimeoutException;
import io.netty.channel.EventLoop;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.RecvByteBufAllocator;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollDatagramChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.ServerSocketChannel;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioDatagramChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.channel.unix.Errors;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.Promise;
import java.io.IOException;
import java.net.BindException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import java.util.function.Function;
import lockstep.replay.ft.peer.PeerConnector;
import lockstep.replay.ft.peer.PeerLink;
import lockstep.replay.ft.protocol.VitalSign;
import lockstep.sys.Posix;
import lockstep.sys.Scheduler;
import lockstep.uapi.posix_h;
import org.jspecify.annotations.Nullable;

/**
 * The loop thread {@code peer-loop} and the connections on it: epoll where there is one, else NIO.
 */
public final class PeerNetwork implements PeerConnector, AutoCloseable {
  private static final int LOW_WATER_BYTES = 1 << 20;
  private static final int HIGH_WATER_BYTES = 4 << 20;
  private static final long CLOSE_SECONDS = 2;

  /** How often a port is looked for that is free by TCP and UDP. */
  private static final int CHOICES = 16;

  /** In which a caller that has shown who it is must say what it wants. */
  private static final long WORD_MILLIS = 10_000;

  /** A read takes a piece of the state whole, where the kernel has it. */
  private static final int MOST_READ_BYTES = 1 << 18;

  private static final String TAKEN = "the address is taken or not of this host";

  /** What epoll's transport says instead of a {@link BindException}. */
  private static final Set<Integer> UNBINDABLE = Set.of(posix_h.EADDRINUSE, posix_h.EADDRNOTAVAIL);

  private final boolean epoll = Epoll.isAvailable();
  private final MultiThreadIoEventLoopGroup group;
  private final EventLoop loop;
  private final LoopGuard guard;
  private final PeerSecurity security;
  private final long wordMillis;
  private final int heartbeatPort;

  /** Thread {@code handshakes}: what takes long before it is known who has connected. */
  private final ExecutorService handshakes =
      Executors.newSingleThreadExecutor(new DefaultThreadFactory("handshakes", true));

  private @Nullable Channel server;
  private volatile boolean closing;

  /** The listening side's; null without one. */
  private volatile @Nullable HeartbeatSocket beats;

  /** Starts the loop. Heartbeats are heard on any port, and by a listener on its own. */
  public PeerNetwork(PeerSecurity security) {
    this(security, 0);
  }

  /**
   * Starts the loop.
   *
   * @param heartbeatPort where heartbeats are heard (UDP); 0 for any, and for the one that is
   *     listened on
   */
  public PeerNetwork(PeerSecurity security, int heartbeatPort) {
    this(security, heartbeatPort, WORD_MILLIS, Scheduler.HOST);
  }

  /**
   * @param wordMillis how long a caller may be silent before its first word
   * @param host ends the process when the loop fails
   */
  PeerNetwork(PeerSecurity security, int heartbeatPort, long wordMillis, Scheduler host) {
    this.wordMillis = wordMillis;
    this.heartbeatPort = heartbeatPort;
    IoHandlerFactory factory = epoll ? EpollIoHandler.newFactory() : NioIoHandler.newFactory();
    this.group =
        new MultiThreadIoEventLoopGroup(
            1, new DefaultThreadFactory(LoopGuard.THREAD, true), factory);
    this.loop = group.next();
    this.guard = new LoopGuard(host);
    this.security = security;
    watchTheEnd();
    loop.execute(guard.task(() -> Posix.nice(VitalSign.NICE)));
  }

  @SuppressWarnings("FutureReturnValueIgnored") // The same future.
  private void watchTheEnd() {
    loop.terminationFuture()
        .addListener(
            ended -> {
              if (!closing) {
                guard.ended(ended.cause());
              }
            });
  }

  /** The loop's thread, on which every listener is called. */
  @Override
  public ScheduledExecutorService loop() {
    return loop;
  }

  private static RecvByteBufAllocator reads() {
    return new AdaptiveRecvByteBufAllocator(64, 2_048, MOST_READ_BYTES);
  }

  /**
   * Connects to a backup.
   *
   * @param listener hears what comes in, from now on
   * @throws IOException when there is no connection in time; the message names the address
   */
  @Override
  public PeerLink connect(InetSocketAddress to, long timeoutMillis, PeerLink.Listener listener)
      throws IOException, InterruptedException {
    AtomicReference<@Nullable SslHandler> tls = new AtomicReference<>();
    Bootstrap bootstrap =
        new Bootstrap()
            .group(loop)
            .channel(epoll ? EpollSocketChannel.class : NioSocketChannel.class)
            .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, (int) timeoutMillis)
            .option(ChannelOption.TCP_NODELAY, true)
            .option(ChannelOption.AUTO_READ, security.isTls())
            .option(ChannelOption.RECVBUF_ALLOCATOR, reads())
            .option(
                ChannelOption.WRITE_BUFFER_WATER_MARK,
                new WriteBufferWaterMark(LOW_WATER_BYTES, HIGH_WATER_BYTES))
            .handler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    guard
                        .task(
                            () -> {
                              Optional<SslHandler> made =
                                  security.toBackup(channel.alloc(), to, handshakes);
                              made.ifPresent(tls::set);
                              PeerFrames.install(channel, made, guard);
                            })
                        .run();
                  }
                });
    known(to, "connect to ");
    Channel channel = done(bootstrap.connect(to), "connect to " + show(to)).channel();
    security.await(channel, Optional.ofNullable(tls.get()), timeoutMillis);
    Promise<NettyLink> link = link(channel, Optional.empty(), _ -> listener);
    link.await();
    if (!link.isSuccess()) {
      throw new IOException("heartbeat port (UDP): " + reason(link.cause()), link.cause());
    }
    return link.getNow();
  }

  /**
   * Takes connections of primaries, and heartbeats on the same port by UDP unless another one was
   * given.
   *
   * @param accept makes a listener for each connection, on the loop's thread; it says nothing until
   *     the other side has shown who it is
   * @param turnedAway told who else has connected, and why that one had to go; on the loop's thread
   * @return where it listens
   * @throws IOException when the address cannot be had
   */
  public InetSocketAddress listen(
      InetSocketAddress at,
      Function<PeerLink, PeerLink.Listener> accept,
      BiConsumer<String, String> turnedAway)
      throws IOException {
    Callers callers = new Callers(turnedAway, guard);
    ServerBootstrap bootstrap =
        new ServerBootstrap()
            .group(loop)
            .channel(epoll ? EpollServerSocketChannel.class : NioServerSocketChannel.class)
            .option(ChannelOption.SO_REUSEADDR, true)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childOption(ChannelOption.AUTO_READ, security.isTls())
            .childOption(ChannelOption.RECVBUF_ALLOCATOR, reads())
            .childHandler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    guard
                        .task(
                            () -> {
                              if (callers.admit(channel)) {
                                admitted(channel, callers, accept, turnedAway);
                              }
                            })
                        .run();
                  }
                });
    known(at, "listen on ");
    for (int attempt = 1; ; attempt++) {
      Channel bound = done(bootstrap.bind(at), "listen on " + show(at)).channel();
      InetSocketAddress here = ((ServerSocketChannel) bound).localAddress();
      int port = heartbeatPort == 0 ? here.getPort() : heartbeatPort;
      try {
        beats = hearOn(new InetSocketAddress(here.getAddress(), port));
        server = bound;
        return here;
      } catch (IOException e) {
        bound.close().awaitUninterruptibly();
        // A port that was chosen for us may be taken by UDP: another one then.
        if (at.getPort() != 0 || heartbeatPort != 0 || attempt == CHOICES) {
          throw e;
        }
      }
    }
  }

  @SuppressWarnings("FutureReturnValueIgnored") // A link that cannot be made closes its connection.
  private void admitted(
      SocketChannel channel,
      Callers callers,
      Function<PeerLink, PeerLink.Listener> accept,
      BiConsumer<String, String> turnedAway) {
    String who = show(channel.remoteAddress());
    PeerFrames.install(channel, security.toPrimary(channel.alloc(), handshakes), guard);
    security.whenKnown(
        channel,
        handshakes,
        guard,
        () -> link(channel, Optional.of(callers), accept),
        why -> turnedAway.accept(who, why));
  }

  private Bootstrap datagrams(HeartbeatSocket socket) {
    return new Bootstrap()
        .group(loop)
        .channel(epoll ? EpollDatagramChannel.class : NioDatagramChannel.class)
        .handler(socket.handler());
  }

  private HeartbeatSocket hearOn(InetSocketAddress at) throws IOException {
    HeartbeatSocket socket = new HeartbeatSocket(true, guard);
    socket.bound(
        done(datagrams(socket).bind(at), "hear heartbeats (UDP) on " + show(at)).channel());
    return socket;
  }

  /**
   * Binds a socket for heartbeats, if there is none, and then lets the connection speak.
   *
   * @param callers where a connection to here is one of; empty for one that this side has made
   */
  @SuppressWarnings("FutureReturnValueIgnored") // A connection that closes says so itself.
  private Promise<NettyLink> link(
      Channel channel, Optional<Callers> callers, Function<PeerLink, PeerLink.Listener> accept) {
    InetSocketAddress local = (InetSocketAddress) channel.localAddress();
    Promise<NettyLink> promise = loop.newPromise();
    HeartbeatSocket common = beats;
    if (common != null && common.serves(local)) {
      loop.execute(guard.task(() -> promise.setSuccess(speak(channel, common, callers, accept))));
      return promise;
    }
    HeartbeatSocket own = new HeartbeatSocket(false, guard);
    datagrams(own)
        .bind(new InetSocketAddress(local.getAddress(), heartbeatPort))
        .addListener(
            guard.listener(
                (ChannelFuture bound) -> {
                  if (!bound.isSuccess()) {
                    channel.close();
                    promise.setFailure(bound.cause());
                    return;
                  }
                  own.bound(bound.channel());
                  promise.setSuccess(speak(channel, own, callers, accept));
                }));
    return promise;
  }

  private NettyLink speak(
      Channel channel,
      HeartbeatSocket socket,
      Optional<Callers> callers,
      Function<PeerLink, PeerLink.Listener> accept) {
    NettyLink link =
        new NettyLink(
            channel,
            socket,
            guard,
            callers.isEmpty(),
            () -> callers.ifPresent(present -> present.spoke(channel)));
    link.listener(accept.apply(link));
    channel.pipeline().addLast(link);
    if (callers.isPresent()) {
      link.expectWord(wordMillis);
    }
    channel.config().setAutoRead(true);
    return link;
  }

  private static ChannelFuture done(ChannelFuture future, String what) throws IOException {
    future.awaitUninterruptibly();
    if (!future.isSuccess()) {
      Throwable cause = future.cause();
      throw new IOException(what + ": " + reason(cause), cause);
    }
    return future;
  }

  private static void known(InetSocketAddress address, String what) throws IOException {
    if (address.isUnresolved()) {
      throw new IOException(what + show(address) + ": no host of that name is known");
    }
  }

  private static String reason(@Nullable Throwable cause) {
    return switch (cause) {
      case null -> "cancelled";
      case ConnectTimeoutException _ -> "no answer";
      case ConnectException _ -> "connection refused";
      case BindException _ -> TAKEN;
      case Errors.NativeIoException e when UNBINDABLE.contains(-e.expectedErr()) -> TAKEN;
      default -> String.valueOf(cause.getMessage());
    };
  }

  /** An address as host:port. */
  static String show(@Nullable InetSocketAddress address) {
    if (address == null) {
      return "somebody who is gone";
    }
    String host =
        address.getAddress() == null
            ? address.getHostString()
            : address.getAddress().getHostAddress();
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + address.getPort();
  }

  /** Stops listening; connections stay. */
  public void stopListening() {
    Channel now = server;
    if (now != null) {
      now.close().awaitUninterruptibly();
    }
  }

  @Override
  public void close() {
    closing = true;
    handshakes.shutdownNow();
    group
        .shutdownGracefully(0, CLOSE_SECONDS, TimeUnit.SECONDS)
        .awaitUninterruptibly(CLOSE_SECONDS + 1, TimeUnit.SECONDS);
  }
}
