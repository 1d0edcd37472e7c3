package lockstep.cli;

import java.io.IOException;
import java.util.Optional;
import lockstep.monitor.block.BlockDevice;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.FileDisk;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code --disk}: the guest's disk. */
final class DiskOption {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--disk",
      paramLabel = "SPEC",
      description =
          "The guest's disk: file:PATH, a raw image (lockstep disk create makes one), or"
              + " dev:/dev/NAME, a block device.")
  private Optional<String> disk = Optional.empty();

  /** Only Picocli makes one. */
  DiskOption() {}

  /** As it was given. */
  Optional<String> text() {
    return disk;
  }

  /** Opens it, if there is one, for one machine of this host. */
  Optional<BlockDevice> open() throws CommandFailure {
    return open(BlockDisk.Use.ALONE);
  }

  /** Opens it, if there is one. */
  Optional<BlockDevice> open(BlockDisk.Use use) throws CommandFailure {
    if (disk.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(open(parse(spec, disk.get()), use));
  }

  /** Opens what a user named. */
  static BlockDevice open(DiskSpec disk, BlockDisk.Use use) throws CommandFailure {
    try {
      return switch (disk) {
        case DiskSpec.File file -> FileDisk.open(file.path());
        case DiskSpec.Device device -> BlockDisk.open(device.path(), use);
      };
    } catch (IOException e) {
      String remedy =
          switch (disk) {
            case DiskSpec.File _ -> "lockstep disk create makes an image";
            case DiskSpec.Device _ -> "lsblk shows the devices there are";
          };
      throw new CommandFailure(String.valueOf(e.getMessage()), remedy, e);
    }
  }

  /** What a user's text names; wrong usage if nothing. */
  static DiskSpec parse(CommandSpec spec, String text) {
    try {
      return DiskSpec.parse(text);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), String.valueOf(e.getMessage()), e);
    }
  }
}
