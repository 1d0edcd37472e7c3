package lockstep.cli.vm;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.HostPort;

/**
 * Answers {@code GET /metrics} about one VM, on request ({@code --metrics}). Whoever reaches the
 * address may read; there is nothing to change. Threads: the JDK's HTTP server has its own, {@code
 * HTTP-Dispatcher}, and each request has a virtual one, so that none waits for another; a request
 * that does not come whole in time is dropped.
 */
final class MetricsServer implements AutoCloseable {
  /** Connections that wait; a scraper has one. */
  private static final int BACKLOG = 16;

  private static final String PATH = "/metrics";
  private static final int OK = 200;
  private static final int NOT_FOUND = 404;
  private static final int NOT_ALLOWED = 405;
  private static final int NO_BODY = -1;

  static {
    // Read once by the JDK's server, and its only way to be told (jdk.httpserver's module page).
    System.setProperty("jdk.httpserver.maxConnections", "64");
    System.setProperty("sun.net.httpserver.maxReqTime", "10");
    System.setProperty("sun.net.httpserver.maxRspTime", "10");
  }

  private final HttpServer server;
  private final ExecutorService requests = Executors.newVirtualThreadPerTaskExecutor();

  private MetricsServer(HttpServer server) {
    this.server = server;
  }

  /**
   * Starts to answer, if an address is given.
   *
   * @param text makes the answer; any thread
   */
  static Optional<MetricsServer> open(Optional<InetSocketAddress> at, Supplier<String> text)
      throws CommandFailure {
    if (at.isEmpty()) {
      return Optional.empty();
    }
    try {
      HttpServer server = HttpServer.create(at.get(), BACKLOG);
      server.createContext(PATH, exchange -> answer(exchange, text));
      MetricsServer metrics = new MetricsServer(server);
      server.setExecutor(metrics.requests);
      server.start();
      return Optional.of(metrics);
    } catch (IOException e) {
      throw new CommandFailure(
          "--metrics " + HostPort.show(at.get()) + ": " + e.getMessage(),
          "give an address of this host and a free port",
          e);
    }
  }

  private static void answer(HttpExchange exchange, Supplier<String> text) throws IOException {
    try (exchange) {
      boolean head = exchange.getRequestMethod().equals("HEAD");
      if (!head && !exchange.getRequestMethod().equals("GET")) {
        exchange.sendResponseHeaders(NOT_ALLOWED, NO_BODY);
        return;
      }
      if (!exchange.getRequestURI().getPath().equals(PATH)) {
        // A context answers for all that begins so.
        exchange.sendResponseHeaders(NOT_FOUND, NO_BODY);
        return;
      }
      byte[] body = text.get().getBytes(StandardCharsets.UTF_8);
      exchange.getResponseHeaders().set("Content-Type", Metrics.CONTENT_TYPE);
      exchange.sendResponseHeaders(OK, head ? NO_BODY : body.length);
      if (!head) {
        exchange.getResponseBody().write(body);
      }
    }
  }

  /** Where it listens. */
  InetSocketAddress address() {
    return server.getAddress();
  }

  @Override
  public void close() {
    server.stop(0);
    requests.shutdownNow();
  }
}
