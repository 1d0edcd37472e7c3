package lockstep.cli;

import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lockstep.monitor.block.BlockDevice;
import lockstep.replay.channel.PeerSecurity;
import lockstep.replay.ft.Arbiter;
import lockstep.replay.ft.FtTimes;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.FileLease;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that both sides of a pair are given, with the same values. */
final class PairOptions {
  private static final int LEAST_TIMEOUT_MILLIS = 20;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec = CommandSpec.create();

  @Mixin private DiskOption disk = new DiskOption();

  @Option(
      names = "--arbiter",
      paramLabel = "SPEC",
      description =
          "Where the two sides settle who goes on: a disk that both reach. Default: the guest's"
              + " disk.")
  private Optional<String> arbiter = Optional.empty();

  @Option(
      names = "--failure-timeout",
      paramLabel = "MS",
      defaultValue = "500",
      description =
          "The other side counts as dead when nothing is heard of it for so long, in ms."
              + " Default: ${DEFAULT-VALUE}.")
  private int timeoutMillis = 500;

  @Option(
      names = "--spares",
      paramLabel = "HOST:PORT",
      split = ",",
      converter = HostPort.class,
      description =
          "Where other backups listen; tried in order, without being asked, when the VM runs here"
              + " and has lost the other side.")
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
    return FtTimes.of(timeoutMillis);
  }

  /** Opens the guest's disk, if it has one. */
  Optional<BlockDevice> openDisk() throws CommandFailure {
    return disk.open(BlockDisk.Use.PAIR);
  }

  /** The shared disk's arbiter. */
  Arbiter arbiter() throws CommandFailure {
    String of =
        arbiter
            .or(disk::text)
            .orElseThrow(
                () ->
                    new ParameterException(
                        spec.commandLine(),
                        "a pair needs a disk that both sides reach; give --disk or --arbiter"));
    Path path = path(of).toAbsolutePath();
    if (path.getParent() == null || !Files.isWritable(path.getParent())) {
      throw new CommandFailure(
          "arbiter " + of + ": cannot write beside it", "both sides need write access there");
    }
    return new FileLease(path);
  }

  private Path path(String text) {
    return switch (DiskOption.parse(spec, text)) {
      case DiskSpec.File file -> file.path();
      case DiskSpec.Device _ ->
          throw new ParameterException(
              spec.commandLine(),
              "arbitration on a block device is not built yet; give --arbiter file:PATH");
    };
  }
}
