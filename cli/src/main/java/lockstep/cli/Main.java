package lockstep.cli;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import lockstep.cli.bench.BenchCommand;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.ConfigFile;
import lockstep.cli.common.ExitCode;
import lockstep.cli.common.HostErrors;
import lockstep.cli.common.Verbosity;
import lockstep.cli.common.Version;
import lockstep.cli.demo.DemoCommand;
import lockstep.cli.disk.DiskCommand;
import lockstep.cli.doctor.DoctorCommand;
import lockstep.cli.pair.BackupCommand;
import lockstep.cli.pair.PairCommand;
import lockstep.cli.pair.PrimaryCommand;
import lockstep.cli.run.EarlyProbe;
import lockstep.cli.run.LogCommand;
import lockstep.cli.run.RecordCommand;
import lockstep.cli.run.ReplayCommand;
import lockstep.cli.run.RunCommand;
import lockstep.cli.vm.ConsoleCommand;
import lockstep.cli.vm.VmCommands;
import lockstep.monitor.boot.BootException;
import lockstep.sys.HostScheduler;
import lockstep.sys.StandardOutput;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The command {@code lockstep}: options of all commands, error messages, exit codes. */
@Command(
    name = "lockstep",
    description = "Virtual machines on Linux KVM.",
    mixinStandardHelpOptions = true,
    scope = ScopeType.INHERIT,
    versionProvider = Version.class,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:done",
      "1:failed",
      "2:wrong usage",
      "3:a part of Lockstep failed, or its heap was full, and the process ended at once"
    })
public final class Main implements Runnable, Verbosity {
  private static final List<Class<?>> COMMANDS =
      List.of(
          RunCommand.class,
          RecordCommand.class,
          ReplayCommand.class,
          LogCommand.class,
          PrimaryCommand.class,
          BackupCommand.class,
          DiskCommand.class,
          PairCommand.class,
          VmCommands.Ps.class,
          VmCommands.Status.class,
          ConsoleCommand.class,
          VmCommands.MetricsText.class,
          VmCommands.Snapshot.class,
          VmCommands.Pause.class,
          VmCommands.Resume.class,
          VmCommands.Stop.class,
          VmCommands.Failover.class,
          VmCommands.Protect.class,
          VmCommands.Detach.class,
          DemoCommand.class,
          DoctorCommand.class,
          BenchCommand.class);

  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(
      names = {"-v", "--verbose"},
      scope = ScopeType.INHERIT,
      description = "Say more: what was done, and the stack trace of an error.")
  private boolean verbose;

  /** Only Picocli makes one. */
  Main() {}

  /** Runs one command and ends the process with its exit code. */
  public static void main(String[] arguments) {
    HostScheduler.endOnUncaught();
    separateOutput();
    EarlyProbe.start(arguments);
    System.exit(execute(commandLine(arguments), arguments));
  }

  /** Standard output is the guest's, and not the JVM's, which may crash. */
  private static void separateOutput() {
    // Looks at descriptor 1 once. Picocli asks for it to choose colours, and must not get an answer
    // for standard error.
    var unused = System.console();
    try {
      StandardOutput.separate();
    } catch (SysException e) {
      System.err.println("lockstep: " + HostErrors.describe(e));
      System.exit(ExitCode.FAILED);
    }
    System.setOut(new PrintStream(StandardOutput.stream(), true, System.out.charset()));
  }

  /** Runs one command, with the options of a {@code --config} file. */
  static int execute(CommandLine line, String... arguments) {
    try {
      return line.execute(ConfigFile.expand(arguments));
    } catch (CommandFailure e) {
      line.getErr().println("lockstep: " + oneLine(e.getMessage()));
      return ExitCode.FAILED;
    }
  }

  /**
   * The command line, ready to execute; tests use it with their own writers. Has only the command
   * that these arguments name, or all when they name none: Picocli takes longer to look at all of
   * them than a guest to start.
   */
  static CommandLine commandLine(String... arguments) {
    Main main = new Main();
    CommandLine line = new CommandLine(main);
    Optional<String> word =
        Arrays.stream(arguments).filter(argument -> !argument.startsWith("-")).findFirst();
    List<Class<?>> named =
        COMMANDS.stream().filter(command -> word.equals(Optional.of(nameOf(command)))).toList();
    (named.isEmpty() ? COMMANDS : named).forEach(line::addSubcommand);
    return line.setCaseInsensitiveEnumValuesAllowed(true)
        .setParameterExceptionHandler(main::usageError)
        .setExecutionExceptionHandler(main::failure);
  }

  private static String nameOf(Class<?> command) {
    return command.getAnnotation(Command.class).name();
  }

  @Override
  public boolean verbose() {
    return verbose;
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "no command given");
  }

  private int usageError(ParameterException e, String[] arguments) {
    CommandLine command = e.getCommandLine();
    PrintWriter err = command.getErr();
    String name = command.getCommandSpec().qualifiedName();
    String problem = oneLine(e.getMessage());
    // Our own messages say what to do; Picocli's do not.
    err.println(
        name + ": " + problem + (problem.contains("; ") ? "" : "; see " + name + " --help"));
    trace(e, err);
    return ExitCode.USAGE;
  }

  private int failure(Exception e, CommandLine command, CommandLine.ParseResult parsed) {
    PrintWriter err = command.getErr();
    err.println(command.getCommandSpec().qualifiedName() + ": " + describe(e));
    trace(e, err);
    return ExitCode.FAILED;
  }

  private void trace(Exception e, PrintWriter err) {
    if (verbose) {
      e.printStackTrace(err);
    }
    err.flush();
  }

  /** An error as one line; a bug of ours says so and how to see more. */
  private String describe(Exception e) {
    return switch (e) {
      case CommandFailure f -> oneLine(f.getMessage());
      case BootException b -> oneLine(b.getMessage());
      case SysException s -> oneLine(HostErrors.describe(s));
      default ->
          "internal error, a bug of Lockstep: "
              + oneLine(e.toString())
              + (verbose ? "" : "; run again with -v and report the trace");
    };
  }

  private static String oneLine(@Nullable String text) {
    return String.valueOf(text).strip().replaceAll("\\s*\\R\\s*", "; ");
  }
}
