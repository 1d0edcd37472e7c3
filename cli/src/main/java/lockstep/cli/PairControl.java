package lockstep.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.util.LinkedHashMap;
import java.util.Map;
import lockstep.cli.control.ControlServer;
import lockstep.replay.ft.FtEvent;
import lockstep.replay.ft.FtSession;
import lockstep.replay.ft.FtStatus;
import picocli.CommandLine.TypeConversionException;

/** What users may ask of one side of a pair while it runs. */
final class PairControl implements ControlServer.Handler {
  private final String name;
  private final PairRun run;

  /**
   * @param name what this process is called here
   */
  PairControl(String name, PairRun run) {
    this.name = name;
    this.run = run;
  }

  @Override
  public Map<String, Object> handle(Map<String, Object> request)
      throws IOException, InterruptedException {
    String command = String.valueOf(request.get("command"));
    switch (command) {
      case "status" -> {
        return status();
      }
      case "pause" -> {
        needTheVm(command);
        run.vm().pause();
      }
      case "resume" -> {
        needTheVm(command);
        run.vm().resume();
      }
      case "stop" -> run.stop();
      case "failover" -> {
        need(FtSession.State.PROTECTED, command);
        run.vm().handOver();
      }
      case "detach" -> run.node().tell(new FtEvent.Detach());
      case "protect" -> {
        need(FtSession.State.ALONE, command);
        run.protect(address(request.getOrDefault("backup", "")));
      }
      default -> throw new IOException("no such command: " + command);
    }
    return Map.of();
  }

  private static InetSocketAddress address(Object text) throws IOException {
    try {
      return new HostPort().convert(String.valueOf(text));
    } catch (TypeConversionException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private void needTheVm(String command) throws IOException {
    if (!isTheVm(run.node().status().state())) {
      throw new IOException(
          "%s: the VM does not run here; this side is %s"
              .formatted(command, run.node().status().state()));
    }
  }

  private void need(FtSession.State state, String command) throws IOException {
    FtSession.State now = run.node().status().state();
    if (now != state) {
      throw new IOException(
          "%s needs a VM that is %s; this one is %s".formatted(command, state, now));
    }
  }

  private static boolean isTheVm(FtSession.State state) {
    return switch (state) {
      case ALONE, PAIRING, PROTECTED -> true;
      default -> false;
    };
  }

  private Map<String, Object> status() {
    FtStatus status = run.node().status();
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("name", name);
    fields.put("pid", ProcessHandle.current().pid());
    fields.put("role", isTheVm(status.state()) ? "primary" : "backup");
    fields.put("state", status.state().name());
    fields.put("paused", run.vm().isPaused());
    fields.put("vm", status.vm());
    fields.put("epoch", status.epoch());
    fields.put("peer", status.peer());
    fields.put("acknowledged_entries", status.transfer().acknowledgedEntries());
    fields.put("sent_bytes", status.transfer().sentBytes());
    fields.put("lag_ms", status.transfer().lagNanos() / 1_000_000);
    fields.put("last_failover", run.vm().lastFailover().map(Object::toString).orElse(""));
    return fields;
  }

  @Override
  public void console(InputStream in, OutputStream out) throws IOException {
    run.console().attach(in, out, run.queue());
  }
}
