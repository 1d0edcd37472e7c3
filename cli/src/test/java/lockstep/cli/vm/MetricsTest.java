package lockstep.cli.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.cli.common.CommandFailure;
import org.junit.jupiter.api.Test;

/** The text that Prometheus reads, and how it gets it. */
class MetricsTest {
  private static final Pattern SAMPLE =
      Pattern.compile(
          "([a-zA-Z_:][a-zA-Z0-9_:]*)\\{([a-z]+=\"(?:[^\"\\\\\\n]|\\\\[\\\\\"n])*\",?)*} (\\S+)");

  private static final Map<String, Object> STATUS =
      Map.of(
          "name",
          "a\"b\\c",
          "role",
          "primary",
          "state",
          "PROTECTED",
          "paused",
          true,
          "peer",
          "192.0.2.7:7000",
          "sent_bytes",
          1_500_000_000_000L,
          "lag_ms",
          1,
          "bandwidth_bytes_per_second",
          12_000L,
          "last_failover_ms",
          1_700_000_000_500L);

  @Test
  void everyLineIsOneThatPrometheusReads() {
    Map<String, String> values = new HashMap<>();
    Set<String> typed = new HashSet<>();
    for (String line : Metrics.text(STATUS).lines().toList()) {
      List<String> words = List.of(line.split(" ", 4));
      if (words.get(1).equals("TYPE")) {
        assertTrue(typed.add(words.get(2)), "typed twice: " + line);
        assertTrue(Set.of("counter", "gauge").contains(words.get(3)), line);
        assertEquals(words.get(3).equals("counter"), words.get(2).endsWith("_total"), line);
      } else if (!words.get(1).equals("HELP")) {
        Matcher sample = SAMPLE.matcher(line);
        assertTrue(sample.matches(), line);
        assertTrue(typed.contains(sample.group(1)), "not typed before: " + line);
        assertFalse(Double.isNaN(Double.parseDouble(sample.group(3))), line);
        values.put(sample.group(1), sample.group(3));
      }
    }
    assertEquals("1500000000000", values.get("lockstep_channel_sent_bytes_total"));
    assertEquals("0.001", values.get("lockstep_replay_lag_seconds"));
    assertEquals("1.7000000005E9", values.get("lockstep_last_failover_timestamp_seconds"));
    assertEquals("1", values.get("lockstep_paused"));
    assertFalse(values.containsKey("lockstep_channel_received_bytes_total"), "a primary's: none");
  }

  @Test
  void scrapeGetsTheTextAndNothingElseIsAnswered() throws Exception {
    InetSocketAddress anyPort = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    try (MetricsServer server =
            MetricsServer.open(Optional.of(anyPort), () -> "text\n").orElseThrow();
        HttpClient client = HttpClient.newHttpClient()) {
      int port = server.address().getPort();
      URI metrics = URI.create("http://127.0.0.1:" + port + "/metrics");
      HttpResponse<String> answer =
          client.send(
              HttpRequest.newBuilder(metrics).build(), HttpResponse.BodyHandlers.ofString());
      assertEquals(200, answer.statusCode());
      assertEquals("text\n", answer.body());
      assertEquals(Metrics.CONTENT_TYPE, answer.headers().firstValue("Content-Type").orElseThrow());
      HttpRequest post =
          HttpRequest.newBuilder(metrics).POST(HttpRequest.BodyPublishers.ofString("x")).build();
      assertEquals(405, client.send(post, HttpResponse.BodyHandlers.discarding()).statusCode());
      HttpRequest other = HttpRequest.newBuilder(metrics.resolve("/other")).build();
      assertEquals(404, client.send(other, HttpResponse.BodyHandlers.discarding()).statusCode());
      HttpRequest longer = HttpRequest.newBuilder(metrics.resolve("/metricsfoo")).build();
      assertEquals(404, client.send(longer, HttpResponse.BodyHandlers.discarding()).statusCode());
      CommandFailure taken =
          assertThrows(
              CommandFailure.class,
              () -> MetricsServer.open(Optional.of(server.address()), () -> ""));
      assertTrue(String.valueOf(taken.getMessage()).contains("free port"), taken.toString());
    }
  }

  @Test
  void halfARequestHoldsUpNobodyElse() throws Exception {
    InetSocketAddress anyPort = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    try (MetricsServer server =
            MetricsServer.open(Optional.of(anyPort), () -> "text\n").orElseThrow();
        Socket half = new Socket(server.address().getAddress(), server.address().getPort());
        HttpClient client = HttpClient.newHttpClient()) {
      half.getOutputStream().write("GET /metr".getBytes(StandardCharsets.US_ASCII));
      HttpRequest request =
          HttpRequest.newBuilder(
                  URI.create("http://127.0.0.1:" + server.address().getPort() + "/metrics"))
              .timeout(Duration.ofSeconds(5))
              .build();
      assertEquals("text\n", client.send(request, HttpResponse.BodyHandlers.ofString()).body());
    }
  }

  @Test
  void addressWithoutHostIsTheLoopbackInterface() {
    MetricsOption.Address address = new MetricsOption.Address();
    assertTrue(address.convert("9100").getAddress().isLoopbackAddress());
    assertEquals(9100, address.convert("192.0.2.7:9100").getPort());
  }

  @Test
  void bandwidthIsOfTheLastSecondsAndBeginsAnewWithTheCount() {
    Bandwidth bandwidth = new Bandwidth();
    assertEquals(0, bandwidth.bytesPerSecond());
    long second = 1_000_000_000L;
    bandwidth.sample(0, 0);
    for (int i = 1; i <= 20; i++) {
      bandwidth.sample(i <= 10 ? 0 : (i - 10) * 500L, i * second);
    }
    assertEquals(500, bandwidth.bytesPerSecond());
    bandwidth.sample(100, 21 * second);
    assertEquals(0, bandwidth.bytesPerSecond());
    bandwidth.sample(300, 22 * second);
    assertEquals(200, bandwidth.bytesPerSecond());
  }
}
