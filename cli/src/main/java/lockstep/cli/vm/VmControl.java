package lockstep.cli.vm;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.console.ConsoleHub;
import lockstep.cli.control.ControlServer;
import lockstep.monitor.input.InputQueue;

/**
 * What users may ask of a VM while it runs, as far as it is the same for all (docs/control.md). Any
 * thread.
 */
public abstract class VmControl implements ControlServer.Handler {
  private final String name;
  private final ConsoleHub console;
  private final InputQueue queue;

  /**
   * @param name what the VM is called here
   * @param queue takes what attached terminals type
   */
  public VmControl(String name, ConsoleHub console, InputQueue queue) {
    this.name = name;
    this.console = console;
    this.queue = queue;
  }

  /** How it stands: docs/control.md says what each field means. */
  final Map<String, Object> status() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("name", name);
    fields.put("pid", ProcessHandle.current().pid());
    addStatus(fields);
    fields.put("consoles", console.attached());
    return fields;
  }

  /** Adds the fields from role to failover. */
  public abstract void addStatus(Map<String, Object> fields);

  public abstract void pause() throws IOException;

  public abstract void resume() throws IOException;

  public abstract void stop() throws IOException;

  /**
   * Returns when it is written.
   *
   * @param notes is told what was written
   */
  public abstract void snapshot(Path file, Consumer<String> notes)
      throws IOException, CommandFailure, InterruptedException;

  /** What only some VMs can do. */
  public abstract void others(String command, Map<String, Object> request)
      throws IOException, InterruptedException;

  @Override
  public final Map<String, Object> handle(Map<String, Object> request)
      throws IOException, InterruptedException {
    String command = String.valueOf(request.getOrDefault("command", ""));
    switch (command) {
      case "status" -> {
        return status();
      }
      case "metrics" -> {
        return Map.of("text", Metrics.text(status()));
      }
      case "snapshot" -> {
        return snapshot(request);
      }
      case "pause" -> pause();
      case "resume" -> resume();
      case "stop" -> stop();
      default -> others(command, request);
    }
    return Map.of();
  }

  private Map<String, Object> snapshot(Map<String, Object> request)
      throws IOException, InterruptedException {
    String text = String.valueOf(request.getOrDefault("file", ""));
    if (!text.startsWith("/")) {
      throw new IOException("snapshot needs file, an absolute path");
    }
    StringBuilder said = new StringBuilder();
    try {
      snapshot(path(text), line -> said.replace(0, 1 << 16, line));
      return Map.of("done", said.toString());
    } catch (CommandFailure e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private static Path path(String text) throws IOException {
    try {
      return Path.of(text);
    } catch (InvalidPathException e) {
      throw new IOException("no file can be called so: " + e.getReason(), e);
    }
  }

  @Override
  public final void console(InputStream in, OutputStream out) throws IOException {
    console.attach(in, out, queue);
  }
}
