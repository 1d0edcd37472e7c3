package lockstep.replay.channel;

import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.KeyStoreException;
import java.util.Collections;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/** Whether and how the two sides show each other who they are: mutual TLS 1.3, or not at all. */
// A connection that closes says so itself.
@SuppressWarnings("FutureReturnValueIgnored")
public final class PeerSecurity {
  private static final String PROTOCOL = "TLSv1.3";
  private static final int ROOT = 0;

  private final Optional<SslContext> connecting;
  private final Optional<SslContext> listening;

  private PeerSecurity(Optional<SslContext> connecting, Optional<SslContext> listening) {
    this.connecting = connecting;
    this.listening = listening;
  }

  /** Plain TCP: for the loopback interface, and networks that nobody else is on. */
  public static PeerSecurity none() {
    return new PeerSecurity(Optional.empty(), Optional.empty());
  }

  /**
   * Mutual TLS 1.3 by pinned certificates.
   *
   * @param identity a PKCS #12 file with this side's key, and the other side's certificate as the
   *     only one that is trusted
   * @param password of the file
   * @throws IOException when it is no such file; one line
   */
  public static PeerSecurity tls(Path identity, char[] password) throws IOException {
    try (InputStream in = Files.newInputStream(identity)) {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(in, password);
      KeyManagerFactory keys =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      keys.init(store, password);
      TrustManagerFactory trust =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      trust.init(others(store));
      return new PeerSecurity(
          Optional.of(
              SslContextBuilder.forClient()
                  .keyManager(keys)
                  .trustManager(trust)
                  .protocols(PROTOCOL)
                  // The very certificate is pinned; which name a host has proves nothing more.
                  .endpointIdentificationAlgorithm(null)
                  .build()),
          Optional.of(
              SslContextBuilder.forServer(keys)
                  .trustManager(trust)
                  .protocols(PROTOCOL)
                  .clientAuth(ClientAuth.REQUIRE)
                  .build()));
    } catch (NoSuchFileException e) {
      throw new IOException("identity " + identity + ": no such file", e);
    } catch (IOException | GeneralSecurityException e) {
      throw new IOException("identity " + identity + ": " + e.getMessage(), e);
    }
  }

  /** The certificates alone: one's own, which comes with the key, is not the other side's. */
  private static KeyStore others(KeyStore of) throws GeneralSecurityException, IOException {
    KeyStore others = KeyStore.getInstance("PKCS12");
    others.load(null, null);
    for (String alias : Collections.list(of.aliases())) {
      if (of.isCertificateEntry(alias)) {
        others.setCertificateEntry(alias, of.getCertificate(alias));
      }
    }
    if (others.size() == 0) {
      throw new KeyStoreException("it has no certificate of another side");
    }
    return others;
  }

  /** Whether connections are authenticated and secret. */
  public boolean isTls() {
    return connecting.isPresent();
  }

  /**
   * @param handshakes does what takes long in a handshake: the loop has heartbeats to send
   *     meanwhile
   */
  Optional<SslHandler> toBackup(
      ByteBufAllocator allocator, InetSocketAddress to, Executor handshakes) {
    return connecting.map(
        c -> c.newHandler(allocator, to.getHostString(), to.getPort(), handshakes));
  }

  /** See {@link #toBackup}. */
  Optional<SslHandler> toPrimary(ByteBufAllocator allocator, Executor handshakes) {
    return listening.map(context -> context.newHandler(allocator, handshakes));
  }

  /**
   * Waits until both sides know each other. Not on the loop's thread.
   *
   * @param handler as it was put into the channel, which has it only while it is open
   */
  void await(Channel channel, Optional<SslHandler> handler, long timeoutMillis) throws IOException {
    if (handler.isEmpty()) {
      return;
    }
    SslHandler tls = handler.get();
    if (!tls.handshakeFuture().awaitUninterruptibly(timeoutMillis)
        || !tls.handshakeFuture().isSuccess()) {
      Throwable cause = tls.handshakeFuture().cause();
      channel.close();
      throw new IOException(
          "TLS with " + PeerNetwork.show(remote(channel)) + ": " + why(cause), cause);
    }
    // Nothing is to pass before there is a link.
    channel.config().setAutoRead(false);
  }

  private static @Nullable InetSocketAddress remote(Channel channel) {
    return (InetSocketAddress) channel.remoteAddress();
  }

  private static String why(@Nullable Throwable cause) {
    for (Throwable each = cause; each != null; each = each.getCause()) {
      if (each instanceof GeneralSecurityException) {
        return "that side is another one than this --identity was made with;"
            + " use the two files of one lockstep pair init";
      }
    }
    return switch (cause) {
      case null -> "no answer; is a lockstep backup there, with an --identity?";
      case SSLException _ -> String.valueOf(cause.getMessage());
      // Closed, or reset.
      case IOException _ -> "it closed the connection; both sides need an --identity, or neither";
      default -> String.valueOf(cause.getMessage());
    };
  }

  /**
   * Calls back on the loop's thread when the other side is known; closes on strangers.
   *
   * @param handshakes see {@link #toBackup}
   * @param guard sees to what fails on the loop's thread
   * @param stranger told why, on the loop's thread
   */
  void whenKnown(
      Channel channel,
      Executor handshakes,
      LoopGuard guard,
      Runnable known,
      Consumer<String> stranger) {
    SslHandler tls = channel.pipeline().get(SslHandler.class);
    if (tls == null) {
      whenOwnUser(channel, handshakes, guard, known, stranger);
      return;
    }
    tls.handshakeFuture()
        .addListener(
            guard.listener(
                done -> {
                  if (done.isSuccess()) {
                    channel.config().setAutoRead(false);
                    known.run();
                  } else {
                    stranger.accept("it did not show that it is the other side: " + done.cause());
                    channel.close();
                  }
                }));
  }

  /** Plain TCP on the loopback interface is open to all users of a host; a pair is one user's. */
  private static void whenOwnUser(
      Channel channel,
      Executor handshakes,
      LoopGuard guard,
      Runnable known,
      Consumer<String> stranger) {
    InetSocketAddress theirs = remote(channel);
    InetSocketAddress ours = (InetSocketAddress) channel.localAddress();
    if (theirs == null || ours == null) {
      channel.close();
      return;
    }
    if (!theirs.getAddress().isLoopbackAddress()) {
      channel.eventLoop().execute(guard.task(known));
      return;
    }
    handshakes.execute(
        () -> {
          Optional<String> objection = objection(theirs, ours);
          channel
              .eventLoop()
              .execute(
                  guard.task(
                      () -> {
                        if (objection.isPresent()) {
                          stranger.accept(objection.get());
                          channel.close();
                        } else {
                          known.run();
                        }
                      }));
        });
  }

  private static Optional<String> objection(InetSocketAddress theirs, InetSocketAddress ours) {
    try {
      OptionalInt user = LoopbackUser.of(theirs, ours);
      return user.isEmpty() || user.getAsInt() == ROOT || user.getAsInt() == LoopbackUser.self()
          ? Optional.empty()
          : Optional.of(
              "it is of user %d, and this side of another; give both an --identity"
                  .formatted(user.getAsInt()));
    } catch (IOException | NumberFormatException e) {
      return Optional.of("whose it is cannot be read: " + e.getMessage());
    }
  }
}
