package lockstep.cli.run;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.console.ConsoleHub;
import lockstep.cli.vm.VmControl;

/** What users may ask of a VM that runs here without protection ({@code lockstep run --name}). */
final class RunControl extends VmControl {
  private final LocalRun run;

  RunControl(String name, ConsoleHub console, LocalRun run) {
    super(name, console, run.queue());
    this.run = run;
  }

  @Override
  public void addStatus(Map<String, Object> fields) {
    fields.put("role", "local");
    fields.put("state", "RUNNING");
    fields.put("paused", run.isPaused());
    fields.put("peer", "");
  }

  @Override
  public void pause() {
    run.pause();
  }

  @Override
  public void resume() {
    run.resume();
  }

  @Override
  public void stop() {
    run.stop();
  }

  @Override
  public void snapshot(Path path, Consumer<String> notes)
      throws IOException, CommandFailure, InterruptedException {
    SnapshotFile file = new SnapshotFile(path, notes);
    file.checkWritable();
    run.snapshot(file);
  }

  @Override
  public void others(String command, Map<String, Object> request) throws IOException {
    throw switch (command) {
      case "failover", "detach", "protect" ->
          new IOException(
              command + ": this VM cannot be protected; start it with lockstep primary");
      default -> new IOException("no such command: " + command);
    };
  }
}
