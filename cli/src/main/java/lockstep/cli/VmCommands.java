package lockstep.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import lockstep.cli.control.ControlClient;
import lockstep.cli.control.ControlDirectory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The commands that speak to a VM that runs: one small class each. */
final class VmCommands {
  private VmCommands() {}

  /** What they have in common: a name, one request, its answer. */
  abstract static class Base implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();

    @Parameters(paramLabel = "NAME", description = "The VM's name; lockstep ps shows all.")
    private String name = "";

    final String name() {
      return name;
    }

    final PrintWriter out() {
      return spec.commandLine().getOut();
    }

    final Map<String, Object> ask(Map<String, ?> request) throws CommandFailure {
      return VmCommands.ask(name, request);
    }

    final int simply(String command) throws CommandFailure {
      ask(Map.of("command", command));
      return Main.DONE;
    }
  }

  static Map<String, Object> ask(String name, Map<String, ?> request) throws CommandFailure {
    try (ControlClient client = ControlClient.connect(name)) {
      return client.ask(request);
    } catch (IOException e) {
      throw new CommandFailure(String.valueOf(e.getMessage()), "see lockstep ps", e);
    }
  }

  /** {@code lockstep ps}. */
  @Command(
      name = "ps",
      description = "List the VMs of this user that run here, protected ones and backups.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep ps")
  static final class Ps implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();

    /** Only Picocli makes one. */
    Ps() {}

    @Override
    public Integer call() throws Exception {
      PrintWriter out = spec.commandLine().getOut();
      out.printf("%-20s %8s  %-8s %-10s %s%n", "NAME", "PID", "ROLE", "STATE", "PEER");
      for (String name : names()) {
        try (ControlClient client = ControlClient.connect(name)) {
          Map<String, Object> status = client.ask(Map.of("command", "status"));
          out.printf(
              "%-20s %8s  %-8s %-10s %s%n",
              name, status.get("pid"), status.get("role"), status.get("state"), status.get("peer"));
        } catch (IOException e) {
          // Died meanwhile; its socket is gone now.
        }
      }
      out.flush();
      return Main.DONE;
    }

    private static Iterable<String> names() throws CommandFailure {
      try {
        return ControlDirectory.names();
      } catch (IOException e) {
        throw new CommandFailure(String.valueOf(e.getMessage()), "it holds the control sockets", e);
      }
    }
  }

  /** {@code lockstep status}. */
  @Command(
      name = "status",
      description = "Show how a VM stands: role, state, peer, lag, log, last failover.",
      footerHeading = "%nExamples:%n",
      footer = {"  lockstep status web", "  lockstep status web --watch"})
  static final class Status extends Base {
    private static final long WATCH_MILLIS = 1_000;

    @Option(names = "--json", description = "One JSON object.")
    private boolean json;

    @Option(names = "--watch", description = "Again every second, until the VM ends.")
    private boolean watch;

    /** Only Picocli makes one. */
    Status() {}

    @Override
    public Integer call() throws Exception {
      long lastBytes = -1;
      while (true) {
        Map<String, Object> status = new LinkedHashMap<>(ask(Map.of("command", "status")));
        status.remove("ok");
        long bytes = ((Number) status.getOrDefault("sent_bytes", 0)).longValue();
        if (lastBytes >= 0) {
          status.put("log_bytes_per_second", Math.max(0, bytes - lastBytes));
        }
        lastBytes = bytes;
        if (json) {
          out().println(Json.of(status));
        } else {
          status.forEach((key, value) -> out().printf("%-22s %s%n", key, value));
        }
        out().flush();
        if (!watch) {
          return Main.DONE;
        }
        Thread.sleep(WATCH_MILLIS);
        out().println();
      }
    }
  }

  /** {@code lockstep pause}. */
  @Command(
      name = "pause",
      description = "Hold a VM; its clock goes on.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep pause web")
  static final class Pause extends Base {
    /** Only Picocli makes one. */
    Pause() {}

    @Override
    public Integer call() throws Exception {
      return simply("pause");
    }
  }

  /** {@code lockstep resume}. */
  @Command(
      name = "resume",
      description = "Let a paused VM go on.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep resume web")
  static final class Resume extends Base {
    /** Only Picocli makes one. */
    Resume() {}

    @Override
    public Integer call() throws Exception {
      return simply("resume");
    }
  }

  /** {@code lockstep stop}. */
  @Command(
      name = "stop",
      description = {
        "End a VM as if the power were cut; its backup ends too.",
        "A backup that is stopped leaves, and the VM goes on unprotected."
      },
      footerHeading = "%nExample:%n",
      footer = "  lockstep stop web")
  static final class Stop extends Base {
    /** Only Picocli makes one. */
    Stop() {}

    @Override
    public Integer call() throws Exception {
      return simply("stop");
    }
  }

  /** {@code lockstep failover}. */
  @Command(
      name = "failover",
      description = "Let the backup go on instead, in order and without loss.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep failover web")
  static final class Failover extends Base {
    /** Only Picocli makes one. */
    Failover() {}

    @Override
    public Integer call() throws Exception {
      return simply("failover");
    }
  }

  /** {@code lockstep detach}. */
  @Command(
      name = "detach",
      description = "Do without the backup: the VM goes on unprotected.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep detach web")
  static final class Detach extends Base {
    /** Only Picocli makes one. */
    Detach() {}

    @Override
    public Integer call() throws Exception {
      return simply("detach");
    }
  }

  /** {@code lockstep protect}. */
  @Command(
      name = "protect",
      description = "Give a VM that runs unprotected a new backup.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep protect web --backup 192.0.2.9:7000")
  static final class Protect extends Base {
    @Option(
        names = "--backup",
        required = true,
        paramLabel = "HOST:PORT",
        description = "Where a lockstep backup listens.")
    private String backup = "";

    /** Only Picocli makes one. */
    Protect() {}

    @Override
    public Integer call() throws Exception {
      ask(Map.of("command", "protect", "backup", backup));
      return Main.DONE;
    }
  }
}
