package lockstep.cli.pair;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lockstep.cli.common.AllClosed;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.HostPort;
import lockstep.cli.disk.DiskOption;
import lockstep.monitor.block.BlockDevice;
import lockstep.replay.channel.PeerSecurity;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.protocol.FtTimes;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.FileDisk;
import lockstep.storage.FileLease;
import lockstep.storage.GuardedArbiter;
import lockstep.storage.LeasedDisk;
import lockstep.storage.SharedDisk;
import lockstep.storage.scsi.ScsiArbiter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that both sides of a pair are given, with the same values. */
final class PairOptions {
  private static final int LEAST_TIMEOUT_MILLIS = 20;
  private static final int MOST_PORT = 65_535;

  private static final int MAX_STOP_SECONDS = 86_400;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec = CommandSpec.create();

  @Mixin private DiskOption disk = new DiskOption();

  @Option(
      names = "--arbiter",
      paramLabel = "SPEC",
      description =
          "Where the two sides settle who goes on: a disk that both reach. Default: the guest's"
              + " disk. On an iSCSI or SCSI disk its reservations decide, and it refuses the"
              + " loser's writes; on file:PATH a lease decides, and refuses nothing.")
  private Optional<String> arbiter = Optional.empty();

  @Option(
      names = "--failure-timeout",
      paramLabel = "MS",
      defaultValue = "200",
      description =
          "The other side counts as dead when nothing is heard of it for so long, in ms; the same"
              + " on both. Default: ${DEFAULT-VALUE}.")
  private int timeoutMillis = 200;

  @Option(
      names = "--stall-timeout",
      paramLabel = "MS",
      description =
          "A side that answers and does not get on is given up after so long, in ms: a vCPU or"
              + " output thread here that stands, or a backup that neither acknowledges nor"
              + " replays; twice the failure time-out or more. Default: 10000.")
  private Optional<Integer> stallMillis = Optional.empty();

  @Option(
      names = "--heartbeat-port",
      paramLabel = "PORT",
      defaultValue = "0",
      description =
          "Where this side hears heartbeats by UDP. Default: a backup on the port that it listens"
              + " on, a primary on any free one.")
  private int heartbeatPort;

  @Option(
      names = "--stop-timeout",
      paramLabel = "SECONDS",
      defaultValue = "30",
      description =
          "When this process is told to end (SIGTERM, SIGHUP, SIGINT), how long a protected VM may"
              + " take to continue at its backup, and a VM without one to end. Then the process"
              + " ends, and a backup takes over by itself. Default: ${DEFAULT-VALUE}.")
  private int stopSeconds = 30;

  @Option(
      names = "--spares",
      paramLabel = "HOST:PORT",
      split = ",",
      converter = HostPort.class,
      description =
          "Where other backups listen; tried in order, without being asked, when the VM runs here"
              + " and has lost the other side; not after lockstep detach.")
  private List<InetSocketAddress> spares = List.of();

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description = "What to call it here. Default: the guest's name, or backup-PORT.")
  private Optional<String> name = Optional.empty();

  @Option(
      names = "--identity",
      paramLabel = "FILE",
      description =
          "What lockstep pair init made for this host; needed off the loopback interface.")
  private Optional<Path> identity = Optional.empty();

  @Option(
      names = "--insecure",
      description = "Plain TCP also off the loopback interface: on a network that is yours alone.")
  private boolean insecure;

  /** Only Picocli makes one. */
  PairOptions() {}

  /** How long the process may take to end when it is told to. */
  long stopSeconds() {
    if (stopSeconds < 0 || stopSeconds > MAX_STOP_SECONDS) {
      throw new ParameterException(
          spec.commandLine(),
          "--stop-timeout is 0 to " + MAX_STOP_SECONDS + " s, not " + stopSeconds);
    }
    return stopSeconds;
  }

  /** Whether the user wants plain TCP to anywhere. */
  boolean insecure() {
    return insecure;
  }

  /** How the two sides know each other. */
  PeerSecurity security(Optional<InetSocketAddress> address) throws CommandFailure {
    if (identity.isPresent()) {
      return PairIdentity.read(identity.get());
    }
    List<InetSocketAddress> all = new ArrayList<>(spares);
    address.ifPresent(all::add);
    for (InetSocketAddress each : all) {
      if (!insecure && (each.getAddress() == null || !each.getAddress().isLoopbackAddress())) {
        throw new CommandFailure(
            HostPort.show(each) + " is not on the loopback interface, where others may listen",
            "give --identity FILE (lockstep pair init makes it), or --insecure");
      }
    }
    return PeerSecurity.none();
  }

  /** Backups for later. */
  List<InetSocketAddress> spares() {
    return spares;
  }

  /** What to call it here. */
  String name(String usual) {
    return name.orElse(usual);
  }

  /** When the other side is dead. */
  FtTimes times() {
    if (timeoutMillis < LEAST_TIMEOUT_MILLIS) {
      throw new ParameterException(
          spec.commandLine(),
          "--failure-timeout %d is too short: %d ms or more"
              .formatted(timeoutMillis, LEAST_TIMEOUT_MILLIS));
    }
    if (stallMillis.isEmpty()) {
      return FtTimes.of(timeoutMillis);
    }
    if (stallMillis.get() < 2 * timeoutMillis) {
      throw new ParameterException(
          spec.commandLine(),
          "--stall-timeout %d is too short: twice --failure-timeout, %d ms, or more"
              .formatted(stallMillis.get(), 2 * timeoutMillis));
    }
    return FtTimes.of(timeoutMillis, stallMillis.get());
  }

  /** Where heartbeats are heard; 0 for the usual port. */
  int heartbeatPort() {
    if (heartbeatPort < 0 || heartbeatPort > MOST_PORT) {
      throw new ParameterException(
          spec.commandLine(), "--heartbeat-port %d: 1 to %d".formatted(heartbeatPort, MOST_PORT));
    }
    return heartbeatPort;
  }

  /** Opens the guest's disks, and what decides which side continues: the first, or --arbiter. */
  PairDisk open() throws CommandFailure {
    List<String> texts = disk.texts();
    if (texts.isEmpty() && arbiter.isEmpty()) {
      throw new ParameterException(
          spec.commandLine(),
          "a pair needs a disk that both sides reach; give --disk or --arbiter");
    }
    List<SharedDisk> open = new ArrayList<>();
    try {
      for (String text : texts) {
        open(text, open);
      }
      List<SharedDisk> media = List.copyOf(open);
      int decides = texts.indexOf(arbiter.orElseGet(texts::getFirst));
      Optional<SharedDisk> own = decides < 0 ? Optional.empty() : Optional.of(media.get(decides));
      Arbiter chosen = arbiter(arbiter.orElseGet(texts::getFirst), own, open);
      StringBuilder words = new StringBuilder(guarantees(chosen, media));
      media.stream().map(PairOptions::access).distinct().forEach(words::append);
      return guarded(chosen, media, words.toString(), open);
    } catch (CommandFailure | RuntimeException e) {
      AllClosed.closeAfter(e, open.stream().<AllClosed.Part>map(one -> one::close).toList());
      throw e;
    }
  }

  /**
   * Keeps other VMs from each disk by its own lease or reservation, also where something else
   * decides. A lease is asked before each write; a disk that has neither asks the lease that
   * decides.
   */
  private static PairDisk guarded(
      Arbiter chosen, List<SharedDisk> disks, String guarantees, List<SharedDisk> open) {
    Optional<FileLease> decides =
        chosen instanceof FileLease lease ? Optional.of(lease) : Optional.empty();
    List<FileLease> leases = new ArrayList<>();
    List<BlockDevice> media = new ArrayList<>();
    Arbiter arbiter = chosen;
    for (SharedDisk disk : disks) {
      boolean readOnly = disk.medium().geometry().readOnly();
      Optional<FileLease> lease = readOnly ? Optional.empty() : disk.lease();
      Optional<ScsiArbiter> unit = readOnly ? Optional.empty() : disk.arbiter();
      lease.ifPresent(leases::add);
      if (lease.isPresent() && !lease.equals(decides)) {
        arbiter = new GuardedArbiter(arbiter, lease.get());
      } else if (unit.isPresent() && !unit.get().equals(chosen)) {
        arbiter = new GuardedArbiter(arbiter, unit.get());
      }
      media.add(
          lease
              .or(() -> decides)
              .<BlockDevice>map(asked -> new LeasedDisk(disk.requests(), asked))
              .orElseGet(disk::requests));
    }
    if (leases.isEmpty()) {
      decides.ifPresent(leases::add);
    }
    return new PairDisk(arbiter, media, leases, guarantees, open);
  }

  private SharedDisk open(String text, List<SharedDisk> open) throws CommandFailure {
    SharedDisk one = DiskOption.open(DiskOption.parse(spec, text), BlockDisk.Use.PAIR);
    open.add(one);
    return one;
  }

  private Arbiter arbiter(String text, Optional<SharedDisk> own, List<SharedDisk> open)
      throws CommandFailure {
    return switch (DiskOption.parse(spec, text)) {
      case DiskSpec.File file ->
          lease(text, file.path().toAbsolutePath(), own.flatMap(SharedDisk::lease));
      case DiskSpec.Device _, DiskSpec.Iscsi _ ->
          reservations(text, own.isPresent() ? own.get() : open(text, open));
    };
  }

  private static String access(SharedDisk medium) {
    return medium.medium() instanceof FileDisk image
        ? "; the image is reached by " + image.access()
        : "";
  }

  private static String refusals(List<SharedDisk> media) {
    long fencing = media.stream().filter(disk -> disk.arbiter().isPresent()).count();
    if (fencing == 0) {
      return "nothing refuses the loser's writes";
    }
    if (fencing < media.size()) {
      return "%d of %d disks refuse the loser's writes".formatted(fencing, media.size());
    }
    return fencing == 1
        ? "the disk refuses the loser's writes"
        : "all disks refuse the loser's writes";
  }

  private static String guarantees(Arbiter arbiter, List<SharedDisk> media) throws CommandFailure {
    String writes = refusals(media);
    if (!(arbiter instanceof ScsiArbiter reservations)) {
      return "a file lease decides who goes on; " + writes;
    }
    try {
      return "reservations decide who goes on; "
          + writes
          + (reservations.persistent()
              ? "; the target keeps them through a loss of power"
              : "; the target forgets them when it restarts (no APTPL)");
    } catch (IOException e) {
      throw new CommandFailure(String.valueOf(e.getMessage()), "see lockstep disk probe", e);
    }
  }

  private static Arbiter lease(String text, Path path, Optional<FileLease> own)
      throws CommandFailure {
    if (path.getParent() == null || !Files.isWritable(path.getParent())) {
      throw new CommandFailure(
          "arbiter " + text + ": cannot write beside it", "both sides need write access there");
    }
    return own.orElseGet(() -> new FileLease(path));
  }

  private static Arbiter reservations(String text, SharedDisk on) throws CommandFailure {
    if (on.arbiter().isEmpty()) {
      throw new CommandFailure(
          "disk %s has no persistent reservations: %s".formatted(text, on.whyNoReservations()),
          "give --arbiter file:PATH, a place that both sides reach");
    }
    return on.arbiter().get();
  }
}
