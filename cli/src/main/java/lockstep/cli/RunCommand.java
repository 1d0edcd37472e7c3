package lockstep.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Cpuid;
import lockstep.kvm.Kvm;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootException;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.boot.RewriteOptions;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.vcpu.RunResult;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code lockstep run}: boots a VM here, console on this terminal. */
@Command(
    name = "run",
    description = "Boot a VM here, with its console on this terminal.",
    footerHeading = "%nOn a terminal, Ctrl-A x leaves and Ctrl-A h shows more keys.%n%nExamples:%n",
    footer = {
      "  lockstep run --guest hello",
      "  lockstep run --guest linux --snapshot state.snap",
      "  lockstep run --from state.snap",
      "  lockstep run --kernel bzImage --initrd initrd.gz --append console=ttyS0 --memory 256M"
    },
    exitCodeList = {
      "0:the guest stopped or was stopped",
      "1:failed, or the guest crashed",
      "2:wrong usage",
      "N:what the guest wrote to its exit port (0xf4)"
    })
final class RunCommand implements Callable<Integer> {
  private static final String LIST = "list";

  /** What a guest without a default of its own gets. */
  private static final long DEFAULT_MEMORY_BYTES = 256L << 20;

  @Spec private CommandSpec spec = CommandSpec.create();
  @ParentCommand private Main main = new Main();

  @ArgGroup(exclusive = true)
  private What what = new What();

  @Option(names = "--initrd", paramLabel = "FILE", description = "Initial RAM disk.")
  private Optional<Path> initrd = Optional.empty();

  @Option(
      names = "--append",
      paramLabel = "TEXT",
      description = "Kernel command line; with --guest it is added to the guest's own.")
  private Optional<String> append = Optional.empty();

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      converter = ByteSize.class,
      description = "Guest RAM, such as 64M or 1G. Default: 256M, or what the guest needs.")
  private Optional<Long> memory = Optional.empty();

  @Option(
      names = "--cpu",
      paramLabel = "MODEL",
      converter = CpuWord.class,
      completionCandidates = CpuWord.Words.class,
      defaultValue = "deterministic",
      description = "CPU model: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
  private CpuModel.Kind cpu = CpuModel.Kind.DETERMINISTIC;

  @Option(
      names = "--snapshot",
      paramLabel = "FILE",
      description =
          "Write the machine's state there when the guest is stopped (Ctrl-A x, SIGTERM) and at"
              + " Ctrl-A s.")
  private Optional<Path> snapshot = Optional.empty();

  /** Only Picocli makes one. */
  RunCommand() {}

  /** What to boot. */
  static final class What {
    @Option(
        names = "--kernel",
        paramLabel = "FILE",
        description = "Linux bzImage or vmlinux, Multiboot kernel, or flat 16-bit image.")
    private Optional<Path> kernel = Optional.empty();

    @Option(
        names = "--guest",
        paramLabel = "NAME",
        description = "A guest that comes with Lockstep; 'list' names them.")
    private Optional<String> guest = Optional.empty();

    @Option(
        names = "--from",
        paramLabel = "FILE",
        description = "Go on where a snapshot was taken; it names everything else.")
    private Optional<Path> from = Optional.empty();

    /** Only Picocli makes one. */
    What() {}
  }

  @Override
  public Integer call() throws Exception {
    if (what.guest.isPresent() && what.guest.get().equals(LIST)) {
      GuestList.print(spec.commandLine().getOut());
      return Main.DONE;
    }
    Optional<SnapshotFile> file = snapshot.map(path -> new SnapshotFile(path, this::say));
    if (file.isPresent()) {
      file.get().checkWritable();
    }
    return what.from.isPresent() ? goOn(what.from.get(), file) : boot(file);
  }

  private int boot(Optional<SnapshotFile> file) throws Exception {
    Plan plan = plan();
    MachineConfig.complaint(plan.memoryBytes())
        .ifPresent(
            complaint -> {
              throw new ParameterException(spec.commandLine(), complaint);
            });
    try (Kvm kvm = Kvm.open()) {
      QuirkSet quirks = QuirkProbe.probe(kvm);
      BootImage image = load(plan, quirks);
      tell("kernel text: " + image.rewrites());
      MachineConfig config =
          new MachineConfig(plan.memoryBytes(), cpu, System.currentTimeMillis() / 1000);
      return run(kvm, new Start.Boot(config, quirks, image), file);
    }
  }

  private int goOn(Path path, Optional<SnapshotFile> file) throws Exception {
    for (String option : List.of("--initrd", "--append", "--memory", "--cpu")) {
      if (spec.commandLine().getParseResult().hasMatchedOption(option)) {
        throw new ParameterException(
            spec.commandLine(), option + " cannot change a snapshot's machine; leave it out");
      }
    }
    SnapshotFile from = new SnapshotFile(path, this::tell);
    try (SnapshotFile.Reading reading = from.read();
        Kvm kvm = Kvm.open()) {
      MachineOrigin origin = reading.saved().state().origin();
      Cpuid offered = CpuModel.table(origin.config().cpu(), kvm.supportedCpuid());
      Optional<String> complaint = origin.complaint(QuirkProbe.probe(kvm), offered);
      if (complaint.isPresent()) {
        throw new CommandFailure(
            from + " " + complaint.get(), "go on with it on a host like the one it is from");
      }
      return run(kvm, new Start.Restore(reading), file);
    }
  }

  private int run(Kvm kvm, Start start, Optional<SnapshotFile> file) throws Exception {
    LocalRun run = new LocalRun(file, this::say);
    RunResult result;
    try (TerminalConsole console = TerminalConsole.open(run)) {
      result = run.run(kvm, start, console.output());
    }
    tell(run.counters().toString());
    return exitCode(result);
  }

  /** What to boot, as one value whichever option named it. */
  private record Plan(BuiltInGuest.Files files, String commandLine, long memoryBytes) {}

  private Plan plan() throws BootException {
    CommandLine command = spec.commandLine();
    if (what.guest.isEmpty()) {
      Path path =
          what.kernel.orElseThrow(
              () ->
                  new ParameterException(
                      command, "nothing to boot; give --kernel, --guest or --from"));
      BootFile kernel = BootFile.read(path);
      return new Plan(
          new BuiltInGuest.Files(kernel, initrdFile()),
          append.orElse(""),
          memory.orElse(DEFAULT_MEMORY_BYTES));
    }
    String name = what.guest.get();
    BuiltInGuest guest =
        GuestList.find(name)
            .orElseThrow(
                () ->
                    new ParameterException(
                        command,
                        "no guest '" + name + "'; lockstep run --guest list names all there are"));
    BuiltInGuest.Files files =
        guest.source().files(line -> command.getErr().println("lockstep: " + line));
    return new Plan(
        initrd.isPresent() ? new BuiltInGuest.Files(files.kernel(), initrdFile()) : files,
        (guest.commandLine() + " " + append.orElse("")).strip(),
        memory.orElse(guest.memoryBytes()));
  }

  private Optional<BootFile> initrdFile() throws BootException {
    return initrd.isPresent() ? Optional.of(BootFile.read(initrd.get())) : Optional.empty();
  }

  private static BootImage load(Plan plan, QuirkSet quirks) throws BootException {
    RewriteOptions rewrite =
        new RewriteOptions(
            OptionalInt.of(MachineLayout.CLOCK_PORT),
            OptionalInt.of(MachineLayout.CLOCK_AUX_PORT),
            quirks.rewriteCpuid() ? OptionalInt.of(MachineLayout.CPUID_PORT) : OptionalInt.empty());
    BootConfig config =
        BootConfig.of(plan.memoryBytes(), plan.commandLine())
            .withRewrite(rewrite)
            .withSeed(RandomSeed.fromHost());
    Optional<BootFile> initrd = plan.files().initrd();
    return BootImages.load(
        plan.files().kernel(), initrd.isPresent() ? config.withInitrd(initrd.get()) : config);
  }

  private void tell(String line) {
    if (main.verbose()) {
      say(line);
    }
  }

  /** A line for the user, whose terminal may be in raw mode. Any thread. */
  private void say(String line) {
    PrintWriter err = spec.commandLine().getErr();
    err.print("lockstep run: " + line + "\r\n");
    err.flush();
  }

  private int exitCode(RunResult result) {
    return switch (result) {
      case RunResult.ExitPort exit -> exit.code();
      case RunResult.Reset _, RunResult.Stopped _, RunResult.HaltedForGood _ -> Main.DONE;
      case RunResult.Crashed crash -> {
        spec.commandLine().getErr().println("lockstep run: " + crash.report());
        yield Main.FAILED;
      }
    };
  }
}
