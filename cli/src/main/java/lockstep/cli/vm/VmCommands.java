package lockstep.cli.vm;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.ExitCode;
import lockstep.cli.common.Json;
import lockstep.cli.control.ControlClient;
import lockstep.cli.control.ControlDirectory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The commands that speak to a VM that runs: one small class each. */
public final class VmCommands {
  private VmCommands() {}

  /** What they have in common: a name, one request, its answer. */
  abstract static class Base implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();

    @Parameters(
        index = "0",
        paramLabel = "NAME",
        description = "The VM's name; lockstep ps shows all.")
    private String name = "";

    final String name() {
      return name;
    }

    final PrintWriter out() {
      return spec.commandLine().getOut();
    }

    final PrintWriter err() {
      return spec.commandLine().getErr();
    }

    final Map<String, Object> ask(Map<String, ?> request) throws CommandFailure {
      return VmCommands.ask(name, request);
    }

    final int simply(String command) throws CommandFailure {
      ask(Map.of("command", command));
      return ExitCode.DONE;
    }
  }

  public static Map<String, Object> ask(String name, Map<String, ?> request) throws CommandFailure {
    return exchange(name, client -> client.ask(request));
  }

  /** One exchange with a VM. */
  private interface Exchange {
    Map<String, Object> with(ControlClient client) throws IOException;
  }

  private static Map<String, Object> exchange(String name, Exchange exchange)
      throws CommandFailure {
    try (ControlClient client = ControlClient.connect(name)) {
      return exchange.with(client);
    } catch (IOException e) {
      throw failure(e);
    }
  }

  /** What a VM refused, as one line; most refusals say themselves what to do. */
  static CommandFailure failure(IOException e) {
    return CommandFailure.of("", e, "see lockstep ps");
  }

  /** {@code lockstep ps}. */
  @Command(
      name = "ps",
      description = {
        "List the VMs of this user that run here: protected ones, backups, and those that lockstep"
            + " run was given a --name for."
      },
      footerHeading = "%nExamples:%n",
      footer = {"  lockstep ps", "  lockstep ps --json"})
  public static final class Ps implements Callable<Integer> {
    /** For one VM: a list that waits long for one that is stuck helps nobody. */
    private static final long LIMIT_SECONDS = 3;

    private static final String ROW = "%-20s %8s  %-8s %-10s %s%n";

    @Spec private CommandSpec spec = CommandSpec.create();

    @Option(names = "--json", description = "A JSON array with each VM's status.")
    private boolean json;

    /** Only Picocli makes one. */
    Ps() {}

    @Override
    public Integer call() throws Exception {
      PrintWriter out = spec.commandLine().getOut();
      List<Map<String, Object>> all = new ArrayList<>();
      for (String name : names()) {
        try (ControlClient client = ControlClient.connect(name)) {
          Map<String, Object> status =
              new LinkedHashMap<>(client.ask(Map.of("command", "status"), LIMIT_SECONDS));
          status.remove("ok");
          all.add(status);
        } catch (IOException e) {
          if (ControlDirectory.exists(name)) {
            // Not dead, but stopped or stuck: its user should know.
            all.add(new LinkedHashMap<>(Map.of("name", name, "state", "no answer")));
          }
        }
      }
      if (json) {
        out.println(Json.of(all));
      } else {
        out.printf(ROW, "NAME", "PID", "ROLE", "STATE", "PEER");
        for (Map<String, Object> status : all) {
          Object state =
              Boolean.TRUE.equals(status.get("paused")) ? "paused" : get(status, "state");
          out.printf(
              ROW,
              get(status, "name"),
              get(status, "pid"),
              get(status, "role"),
              state,
              get(status, "peer"));
        }
      }
      out.flush();
      return ExitCode.DONE;
    }

    private static Object get(Map<String, Object> status, String field) {
      return status.getOrDefault(field, "-");
    }

    private static Iterable<String> names() throws CommandFailure {
      try {
        return ControlDirectory.names();
      } catch (IOException e) {
        throw new CommandFailure(
            String.valueOf(e.getMessage()),
            "LOCKSTEP_RUN_DIR or XDG_RUNTIME_DIR says where they are",
            e);
      }
    }
  }

  /** {@code lockstep status}. */
  @Command(
      name = "status",
      description = "Show how a VM stands: role, state, peer, lag, log, last failover.",
      footerHeading = "%nExamples:%n",
      footer = {"  lockstep status web", "  lockstep status web --watch"})
  public static final class Status extends Base {
    private static final long WATCH_MILLIS = 1_000;

    @Option(names = "--json", description = "One JSON object.")
    private boolean json;

    @Option(names = "--watch", description = "Again every second, until the VM ends.")
    private boolean watch;

    /** Only Picocli makes one. */
    Status() {}

    @Override
    public Integer call() throws Exception {
      show(ask(Map.of("command", "status")));
      while (watch) {
        Thread.sleep(WATCH_MILLIS);
        try {
          Map<String, Object> status = ask(Map.of("command", "status"));
          if (!json) {
            out().println();
          }
          show(status);
        } catch (CommandFailure e) {
          // What a watcher waits for, most likely; it says which end it was.
          err().println("lockstep status: " + e.getMessage());
          err().flush();
          return ExitCode.DONE;
        }
      }
      return ExitCode.DONE;
    }

    private void show(Map<String, Object> answer) {
      Map<String, Object> status = new LinkedHashMap<>(answer);
      status.remove("ok");
      if (json) {
        out().println(Json.of(status));
      } else {
        status.forEach((key, value) -> out().printf("%-28s%s%n", key, value));
      }
      out().flush();
    }
  }

  /** {@code lockstep metrics}. */
  @Command(
      name = "metrics",
      description = "Print a VM's metrics as Prometheus reads them; see also --metrics of run.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep metrics web")
  public static final class MetricsText extends Base {
    /** Only Picocli makes one. */
    MetricsText() {}

    @Override
    public Integer call() throws Exception {
      out().print(ask(Map.of("command", "metrics")).get("text"));
      out().flush();
      return ExitCode.DONE;
    }
  }

  /** {@code lockstep snapshot}. */
  @Command(
      name = "snapshot",
      description = {
        "Write the whole machine of a running VM to a file, from which lockstep run --from goes on.",
        "The VM goes on, too; it stands while its state is taken."
      },
      footerHeading = "%nExample:%n",
      footer = "  lockstep snapshot web web.snap")
  public static final class Snapshot extends Base {
    /** For a state of many GiB. */
    private static final long LIMIT_SECONDS = 3_600;

    @Parameters(index = "1", paramLabel = "FILE", description = "The snapshot's file.")
    private Path file = Path.of("");

    /** Only Picocli makes one. */
    Snapshot() {}

    @Override
    public Integer call() throws Exception {
      String path = file.toAbsolutePath().normalize().toString();
      Map<String, Object> answer =
          exchange(
              name(),
              client -> client.ask(Map.of("command", "snapshot", "file", path), LIMIT_SECONDS));
      out().println(answer.get("done"));
      out().flush();
      return ExitCode.DONE;
    }
  }

  /** {@code lockstep pause}. */
  @Command(
      name = "pause",
      description = "Hold a VM; its clock goes on.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep pause web")
  public static final class Pause extends Base {
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
  public static final class Resume extends Base {
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
  public static final class Stop extends Base {
    /** The VM says why it has not ended after 60 s (docs/control.md). */
    private static final long LIMIT_SECONDS = 90;

    /** Only Picocli makes one. */
    Stop() {}

    @Override
    public Integer call() throws Exception {
      exchange(name(), client -> client.ask(Map.of("command", "stop"), LIMIT_SECONDS));
      return ExitCode.DONE;
    }
  }

  /** {@code lockstep failover}. */
  @Command(
      name = "failover",
      description = {
        "Let the backup go on instead, in order and without loss.",
        "Returns when it does; fails when the VM was not handed over."
      },
      footerHeading = "%nExample:%n",
      footer = "  lockstep failover web")
  public static final class Failover extends Base {
    /** Longer than the VM takes to say what it came to, with any sensible failure time-out. */
    private static final long LIMIT_SECONDS = 300;

    @Option(
        names = "--timeout",
        paramLabel = "SECONDS",
        description =
            "How long the guest may be stopped for its last outputs and disk requests; 1 to 120."
                + " After that the VM runs on here. Default: 30.")
    private Optional<Integer> seconds = Optional.empty();

    /** Only Picocli makes one. */
    Failover() {}

    @Override
    public Integer call() throws Exception {
      Map<String, Object> request = new LinkedHashMap<>();
      request.put("command", "failover");
      seconds.ifPresent(limit -> request.put("timeout", limit));
      exchange(name(), client -> client.ask(request, LIMIT_SECONDS));
      return ExitCode.DONE;
    }
  }

  /** {@code lockstep detach}. */
  @Command(
      name = "detach",
      description = {
        "Do without the backup: the VM goes on unprotected.",
        "Spares are not asked any more until lockstep protect has given it a backup again."
      },
      footerHeading = "%nExample:%n",
      footer = "  lockstep detach web")
  public static final class Detach extends Base {
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
      description = {
        "Give a VM that runs unprotected a new backup, while it runs.",
        "Returns when the backup follows."
      },
      footerHeading = "%nExample:%n",
      footer = "  lockstep protect web --backup 192.0.2.9:7000")
  public static final class Protect extends Base {
    private static final long POLL_MILLIS = 50;
    private static final long STEP_PERCENT = 10;

    /** A terabyte at 300 MiB/s. */
    private static final long LIMIT_SECONDS = 3_600;

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
      long before = number(ask(Map.of("command", "status")), "epoch");
      ask(Map.of("command", "protect", "backup", backup));
      long shown = 0;
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
      while (System.nanoTime() < until) {
        Map<String, Object> status = ask(Map.of("command", "status"));
        String state = String.valueOf(status.get("state"));
        if (state.equals("PROTECTED")) {
          out()
              .printf(
                  "protected; the guest stood for %.1f ms%n",
                  number(status, "last_transfer_stood_us") / 1e3);
          out().flush();
          return ExitCode.DONE;
        }
        // The connection stands before the session knows of it.
        if (!state.equals("PAIRING") && number(status, "epoch") > before) {
          throw new CommandFailure(
              "the VM is not protected, it is "
                  + state
                  + ": "
                  + status.getOrDefault("no_backup", "its backup has gone"),
              "lockstep protect tries again");
        }
        long percent = number(status, "transfer_percent");
        if (percent >= shown + STEP_PERCENT) {
          shown = percent;
          out().println("copying the state: " + percent + "%");
          out().flush();
        }
        Thread.sleep(POLL_MILLIS);
      }
      throw new CommandFailure(
          "the state was not copied in %d s".formatted(LIMIT_SECONDS), "see lockstep status");
    }

    private static long number(Map<String, Object> status, String field) {
      return status.get(field) instanceof Number number ? number.longValue() : 0;
    }
  }
}
