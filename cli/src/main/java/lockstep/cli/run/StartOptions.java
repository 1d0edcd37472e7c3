package lockstep.cli.run;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import lockstep.cli.common.ByteSize;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.guest.BuiltInGuest;
import lockstep.cli.guest.GuestList;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootException;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.boot.RewriteOptions;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.vcpu.SpecialPorts;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that say what machine to start; the same for every command that starts one. */
public final class StartOptions {
  private static final String LIST = "list";

  /** What a guest without a default of its own gets. */
  private static final long DEFAULT_MEMORY_BYTES = 256L << 20;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec = CommandSpec.create();

  @ArgGroup(exclusive = true)
  private What what = new What();

  @Option(names = "--initrd", paramLabel = "FILE", description = "Initial RAM disk.")
  private Optional<Path> initrd = Optional.empty();

  @Option(
      names = "--append",
      paramLabel = "TEXT",
      description =
          "Kernel command line; with --guest it is added to the guest's own. A Multiboot kernel gets"
              + " it as it is, without the file's name in front.")
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
      names = "--rng",
      description =
          "An entropy device (virtio-rng). What it gives is recorded, so that a replay or a backup"
              + " gives the same.")
  private boolean rng;

  /** Only Picocli makes one. */
  public StartOptions() {}

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
        description =
            "Continue where a snapshot was taken. It names everything but the disks: a machine that"
                + " had some needs --disk with the same ones, in the same order.")
    private Optional<Path> from = Optional.empty();

    /** Only Picocli makes one. */
    What() {}
  }

  /** Prints the list of guests if that is what was asked for. */
  public boolean listed() {
    boolean asked = what.guest.isPresent() && what.guest.get().equals(LIST);
    if (asked) {
      GuestList.print(spec.commandLine().getOut());
    }
    return asked;
  }

  /** What was asked for, in a word: a guest's name or a file's. */
  public String name() {
    return what.guest.or(() -> what.kernel.or(() -> what.from).map(Path::toString)).orElse("");
  }

  /** A short name for it: the guest's, or that of the file without directory and ending. */
  public String guestName() {
    return what.guest
        .or(() -> what.kernel.or(() -> what.from).map(path -> path.getFileName().toString()))
        .map(text -> text.replaceFirst("\\..*", "").replaceAll("[^A-Za-z0-9_-]", "-"))
        .orElse("vm");
  }

  /** What a machine is to be started with. */
  public interface Starter<T> {
    /** Runs it to its end. */
    T start(Kvm kvm, Start start) throws Exception;
  }

  /**
   * Opens what is needed, has a machine started with it, and closes it again.
   *
   * @param notes takes lines for a user who wants to know more
   */
  public <T> T with(Consumer<String> notes, Starter<T> starter) throws Exception {
    return what.from.isPresent() ? goOn(what.from.get(), notes, starter) : boot(notes, starter);
  }

  private <T> T boot(Consumer<String> notes, Starter<T> starter) throws Exception {
    Plan plan = plan();
    MachineConfig.complaint(plan.memoryBytes())
        .ifPresent(
            complaint -> {
              throw new ParameterException(spec.commandLine(), complaint);
            });
    try (Kvm kvm = Kvm.open()) {
      QuirkSet quirks = EarlyProbe.quirks(kvm);
      BootImage image = load(plan, quirks);
      notes.accept("kernel text: " + image.rewrites());
      image
          .rewrites()
          .leftOver()
          .ifPresent(left -> notes.accept("may read the host's clock: " + left));
      MachineConfig config =
          new MachineConfig(plan.memoryBytes(), cpu, System.currentTimeMillis() / 1000);
      return starter.start(kvm, new Start.Boot(rng ? config.withRng() : config, quirks, image));
    }
  }

  private <T> T goOn(Path path, Consumer<String> notes, Starter<T> starter) throws Exception {
    for (String option : List.of("--initrd", "--append", "--memory", "--cpu", "--rng")) {
      if (spec.commandLine().getParseResult().hasMatchedOption(option)) {
        throw new ParameterException(
            spec.commandLine(), option + " cannot change a snapshot's machine; leave it out");
      }
    }
    SnapshotFile from = new SnapshotFile(path, notes);
    try (SnapshotFile.Reading reading = from.read();
        Kvm kvm = Kvm.open()) {
      MachineOrigin origin = reading.saved().state().origin();
      Optional<String> complaint = origin.complaint(EarlyProbe.quirks(kvm), kvm.supportedCpuid());
      if (complaint.isPresent()) {
        throw new CommandFailure(
            from + " " + complaint.get(), "go on with it on a host like the one it is from");
      }
      return starter.start(kvm, new Start.Restore(reading));
    }
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
            OptionalInt.of(SpecialPorts.CLOCK_PORT),
            OptionalInt.of(SpecialPorts.CLOCK_AUX_PORT),
            quirks.rewriteCpuid() ? OptionalInt.of(SpecialPorts.CPUID_PORT) : OptionalInt.empty());
    BootConfig config =
        BootConfig.of(plan.memoryBytes(), plan.commandLine())
            .withRewrite(rewrite)
            .withSeed(RandomSeed.fromHost());
    Optional<BootFile> initrd = plan.files().initrd();
    return BootImages.load(
        plan.files().kernel(), initrd.isPresent() ? config.withInitrd(initrd.get()) : config);
  }
}
