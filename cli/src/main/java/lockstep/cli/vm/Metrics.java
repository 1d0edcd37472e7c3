package lockstep.cli.vm;

import java.util.List;
import java.util.Map;

/**
 * A VM's status as Prometheus reads it: the text exposition format, version 0.0.4. Names are made
 * as Prometheus asks: base units, and {@code _total} for what only grows.
 */
final class Metrics {
  /** What the format is called in HTTP. */
  static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

  private enum Type {
    COUNTER,
    GAUGE;

    String word() {
      return this == COUNTER ? "counter" : "gauge";
    }
  }

  /**
   * One number of the status.
   *
   * @param field the status has it, or the VM's role does not know it
   * @param divisor from the status' unit to the base unit
   */
  private record Metric(String field, String name, Type type, String help, double divisor) {}

  private static final List<Metric> METRICS =
      List.of(
          new Metric("consoles", "consoles", Type.GAUGE, "Terminals attached to the console.", 1),
          new Metric("epoch", "epoch", Type.GAUGE, "Pairs that this VM has had.", 1),
          new Metric(
              "log_entries",
              "log_entries_total",
              Type.COUNTER,
              "Log entries sent by the primary or received by the backup; from 0 with each pair.",
              1),
          new Metric(
              "acknowledged_entries",
              "log_acknowledged_entries_total",
              Type.COUNTER,
              "Log entries that the backup has.",
              1),
          new Metric(
              "replayed_entries",
              "log_replayed_entries_total",
              Type.COUNTER,
              "Log entries that the backup has replayed.",
              1),
          new Metric(
              "sent_bytes",
              "channel_sent_bytes_total",
              Type.COUNTER,
              "Bytes of state and log sent to the backup.",
              1),
          new Metric(
              "received_bytes",
              "channel_received_bytes_total",
              Type.COUNTER,
              "Bytes of state and log received from the primary.",
              1),
          new Metric(
              "bandwidth_bytes_per_second",
              "channel_bytes_per_second",
              Type.GAUGE,
              "The logging channel's bandwidth in the last seconds.",
              1),
          new Metric(
              "lag_ms",
              "replay_lag_seconds",
              Type.GAUGE,
              "Age of the oldest log entry that the backup has not replayed.",
              1e3),
          new Metric(
              "output_wait_p50_us",
              "output_wait_median_seconds",
              Type.GAUGE,
              "Median of how long outputs waited for the backup's acknowledgement.",
              1e6),
          new Metric(
              "output_wait_p99_us",
              "output_wait_p99_seconds",
              Type.GAUGE,
              "99th percentile of how long outputs waited for the backup's acknowledgement.",
              1e6),
          new Metric(
              "last_failover_ms",
              "last_failover_timestamp_seconds",
              Type.GAUGE,
              "When this side took over, Unix time.",
              1e3));

  private Metrics() {}

  /** All metrics of a VM in this state. */
  static String text(Map<String, Object> status) {
    StringBuilder text = new StringBuilder();
    String name = escaped(status.getOrDefault("name", ""));
    String vm = "{name=\"" + name + "\"}";
    head(text, "vm_info", Type.GAUGE, "What the VM is here; always 1.");
    text.append("lockstep_vm_info{name=\"").append(name);
    for (String label : List.of("role", "state", "peer", "vm")) {
      text.append("\",")
          .append(label)
          .append("=\"")
          .append(escaped(status.getOrDefault(label, "")));
    }
    text.append("\"} 1\n");
    head(text, "paused", Type.GAUGE, "1 while the VM is held by lockstep pause.");
    boolean paused = Boolean.TRUE.equals(status.get("paused"));
    text.append("lockstep_paused").append(vm).append(paused ? " 1\n" : " 0\n");
    for (Metric metric : METRICS) {
      if (status.get(metric.field()) instanceof Number number) {
        head(text, metric.name(), metric.type(), metric.help());
        text.append("lockstep_").append(metric.name()).append(vm).append(' ');
        text.append(number(number.doubleValue() / metric.divisor())).append('\n');
      }
    }
    return text.toString();
  }

  private static void head(StringBuilder text, String name, Type type, String help) {
    text.append("# HELP lockstep_").append(name).append(' ').append(help).append('\n');
    text.append("# TYPE lockstep_").append(name).append(' ').append(type.word()).append('\n');
  }

  private static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? Long.toString((long) value)
        : Double.toString(value);
  }

  private static String escaped(Object value) {
    return value.toString().replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
  }
}
