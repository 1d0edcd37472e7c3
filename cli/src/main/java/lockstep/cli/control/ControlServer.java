package lockstep.cli.control;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.logging.log4j.LogManager;

/** Answers requests about one VM. */
public final class ControlServer implements AutoCloseable {
  private static final int MAX_LINE_BYTES = 1 << 16;

  /** More than anybody has terminals; bounds what a script in a loop can take. */
  static final int MAX_CONNECTIONS = 64;

  /** How long those that asked are answered when the VM ends; most answers take microseconds. */
  private static final long ANSWER_NANOS = TimeUnit.SECONDS.toNanos(1);

  private static final long POLL_MILLIS = 2;

  /** Does what requests ask for. Called on a thread of the connection's own; may block. */
  public interface Handler {
    /**
     * Carries out one request.
     *
     * @param request its fields; {@code command} says what it is
     * @return fields of the answer
     * @throws IOException when it cannot be done; the message is one line for the user
     */
    Map<String, Object> handle(Map<String, Object> request)
        throws IOException, InterruptedException;

    /** The connection becomes the guest's console; returns when it is over. */
    void console(InputStream in, OutputStream out) throws IOException;
  }

  private final Path path;
  private final ServerSocketChannel server;
  private final Handler handler;
  private final Set<SocketChannel> open = ConcurrentHashMap.newKeySet();

  /** Requests that are not answered yet. */
  private final AtomicInteger inHand = new AtomicInteger();

  /**
   * Starts to answer.
   *
   * @throws IOException when a living VM has the name, or the socket cannot be made
   */
  public ControlServer(String name, Handler handler) throws IOException {
    this.handler = handler;
    this.path = ControlDirectory.socket(name);
    if (Files.exists(path)) {
      if (ControlClient.isAlive(name)) {
        throw new IOException("a VM called " + name + " runs here already; give another --name");
      }
      // Usually gone by now: who finds a dead VM's socket removes it.
      Files.deleteIfExists(path);
    }
    server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    try {
      server.bind(UnixDomainSocketAddress.of(path));
      Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
    } catch (IOException e) {
      server.close();
      throw new IOException(path + ": " + e.getMessage(), e);
    }
    Thread.ofPlatform().daemon().name("control").start(this::accept);
  }

  private void accept() {
    try {
      while (true) {
        SocketChannel channel = server.accept();
        if (open.size() >= MAX_CONNECTIONS) {
          channel.close();
          continue;
        }
        open.add(channel);
        Thread.ofVirtual().start(() -> serve(channel));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private void serve(SocketChannel channel) {
    try (channel) {
      InputStream in = Channels.newInputStream(channel);
      OutputStream out = Channels.newOutputStream(channel);
      String line = readLine(in);
      while (!line.isEmpty()) {
        Optional<Map<String, Object>> parsed = parse(line);
        if (parsed.isEmpty()) {
          answer(out, Map.of("ok", false, "error", "not a JSON object with command"));
          line = readLine(in);
          continue;
        }
        Map<String, Object> request = parsed.get();
        if ("console".equals(request.get("command"))) {
          answer(out, Map.of("ok", true));
          handler.console(in, out);
          return;
        }
        inHand.incrementAndGet();
        try {
          answer(out, answerTo(request));
        } finally {
          inHand.decrementAndGet();
        }
        line = readLine(in);
      }
    } catch (IOException e) {
      // The other end is gone; nobody is left to be told.
    } finally {
      open.remove(channel);
    }
  }

  private static Optional<Map<String, Object>> parse(String line) {
    try {
      Map<String, Object> request = JSON.std.mapFrom(line);
      return request == null || !request.containsKey("command")
          ? Optional.empty()
          : Optional.of(request);
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private Map<String, Object> answerTo(Map<String, Object> request) {
    Map<String, Object> answer = new LinkedHashMap<>();
    try {
      answer.put("ok", true);
      answer.putAll(handler.handle(request));
    } catch (IOException e) {
      answer.put("ok", false);
      answer.put("error", String.valueOf(e.getMessage()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      answer.put("ok", false);
      answer.put("error", "the VM is ending");
    } catch (RuntimeException e) {
      // The VM goes on; who asked is told that it is our bug.
      LogManager.getLogger(ControlServer.class).error("control request failed", e);
      answer.put("ok", false);
      answer.put("error", "internal error, a bug of Lockstep: " + e);
    }
    return answer;
  }

  private static void answer(OutputStream out, Map<String, Object> answer) throws IOException {
    out.write((JSON.std.asString(answer) + "\n").getBytes(StandardCharsets.UTF_8));
    out.flush();
  }

  /** A line without its end; empty at the end of the stream. */
  static String readLine(InputStream in) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    int next = in.read();
    while (next >= 0 && next != '\n') {
      if (line.size() >= MAX_LINE_BYTES) {
        throw new IOException("a line of over " + MAX_LINE_BYTES + " bytes");
      }
      line.write(next);
      next = in.read();
    }
    return line.toString(StandardCharsets.UTF_8);
  }

  /** What the VM's end has decided is still answered, such as a failover. */
  private void awaitAnswers() {
    long start = System.nanoTime();
    try {
      while (inHand.get() > 0 && System.nanoTime() - start < ANSWER_NANOS) {
        Thread.sleep(POLL_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
    awaitAnswers();
    for (SocketChannel channel : open) {
      try {
        channel.close();
      } catch (ClosedChannelException e) {
        // By its own thread.
      }
    }
    Files.deleteIfExists(path);
  }
}
