package lockstep.cli.control;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Speaks to a VM of this user. */
public final class ControlClient implements AutoCloseable {
  /** It waits only for room in the queue of a VM that takes nobody. */
  private static final long CONNECT_SECONDS = 3;

  /** A VM answers in milliseconds; a busy host takes longer. */
  private static final long USUAL_SECONDS = 20;

  private final SocketChannel channel;
  private final InputStream in;
  private final OutputStream out;

  private ControlClient(SocketChannel channel) {
    this.channel = channel;
    this.in = Channels.newInputStream(channel);
    this.out = Channels.newOutputStream(channel);
  }

  /**
   * Connects.
   *
   * @throws IOException when no VM of that name runs here; one line
   */
  public static ControlClient connect(String name) throws IOException {
    Path path = ControlDirectory.socket(name);
    if (!ControlDirectory.isName(name) || !Files.exists(path)) {
      throw new IOException("no VM called " + name + " runs here");
    }
    SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
    try {
      within(CONNECT_SECONDS, channel, () -> channel.connect(UnixDomainSocketAddress.of(path)));
      return new ControlClient(channel);
    } catch (ConnectException e) {
      channel.close();
      Files.deleteIfExists(path);
      throw new IOException("VM " + name + " has died; its socket is removed now", e);
    } catch (IOException e) {
      channel.close();
      throw new IOException("VM " + name + " does not answer: " + e.getMessage(), e);
    }
  }

  /** Removes the socket of a VM whose process was killed; that of a living one stays. */
  public static void forgetIfDead(String name) throws IOException {
    boolean unused = isAlive(name);
  }

  /** Whether a process listens under that name; the socket of a dead one is removed. */
  static boolean isAlive(String name) throws IOException {
    try (ControlClient client = connect(name)) {
      return client.channel.isConnected();
    } catch (IOException e) {
      // One that lives and does not answer keeps its socket.
      return ControlDirectory.exists(name);
    }
  }

  /**
   * Asks for something.
   *
   * @return the answer's fields
   * @throws IOException when it was refused; the message is the VM's
   */
  public Map<String, Object> ask(Map<String, ?> request) throws IOException {
    return ask(request, USUAL_SECONDS);
  }

  /**
   * The same for what may take long.
   *
   * @param limitSeconds after which the VM counts as hung; the connection is of no use then
   */
  public Map<String, Object> ask(Map<String, ?> request, long limitSeconds) throws IOException {
    String line = exchange(JSON.std.asString(request) + "\n", limitSeconds);
    if (line.isEmpty()) {
      throw new IOException("the VM ended before it answered");
    }
    Map<String, Object> answer = JSON.std.mapFrom(line);
    if (!Boolean.TRUE.equals(answer.get("ok"))) {
      throw new IOException(String.valueOf(answer.get("error")));
    }
    return answer;
  }

  /** Sends a line and reads one; a process that was stopped (SIGSTOP) answers nothing. */
  private String exchange(String line, long limitSeconds) throws IOException {
    return within(
        limitSeconds,
        channel,
        () -> {
          try {
            out.write(line.getBytes(StandardCharsets.UTF_8));
            out.flush();
            return ControlServer.readLine(in);
          } catch (IOException e) {
            throw new IOException("the VM ended before it answered", e);
          }
        });
  }

  /** Does what may block for ever, on a channel that is closed when it does for too long. */
  private static <T> T within(long seconds, SocketChannel channel, Callable<T> work)
      throws IOException {
    CompletableFuture<T> done = new CompletableFuture<>();
    // No virtual one: that does not wait for room, but fails (EAGAIN).
    Thread.ofPlatform()
        .daemon()
        .start(
            () -> {
              try {
                done.complete(work.call());
              } catch (Exception e) {
                done.completeExceptionally(e);
              }
            });
    try {
      return done.get(seconds, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      channel.close();
      throw new IOException("the VM did not answer within " + seconds + " s", e);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("told to end while waiting for the VM");
    }
  }

  /** What comes, after a console was asked for. */
  public InputStream in() {
    return in;
  }

  /** What goes, after a console was asked for. */
  public OutputStream out() {
    return out;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
