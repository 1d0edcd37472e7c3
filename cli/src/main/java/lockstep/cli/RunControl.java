package lockstep.cli;

import java.io.IOException;
import java.util.Map;

/** What users may ask of a VM that runs here without protection ({@code lockstep run --name}). */
final class RunControl extends VmControl {
  private final LocalRun run;

  RunControl(String name, ConsoleHub console, LocalRun run) {
    super(name, console, run.queue());
    this.run = run;
  }

  @Override
  void addStatus(Map<String, Object> fields) {
    fields.put("role", "local");
    fields.put("state", "RUNNING");
    fields.put("paused", run.isPaused());
    fields.put("peer", "");
  }

  @Override
  void pause() {
    run.pause();
  }

  @Override
  void resume() {
    run.resume();
  }

  @Override
  void stop() {
    run.stop();
  }

  @Override
  void snapshot(SnapshotFile file) throws IOException, CommandFailure, InterruptedException {
    run.snapshot(file);
  }

  @Override
  void others(String command, Map<String, Object> request) throws IOException {
    throw switch (command) {
      case "failover", "detach", "protect" ->
          new IOException(
              command + ": this VM cannot be protected; start it with lockstep primary");
      default -> new IOException("no such command: " + command);
    };
  }
}
