package lockstep.cli;

import java.io.IOException;
import java.util.Optional;
import lockstep.monitor.block.BlockDevice;
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
      description = "The guest's disk: file:PATH, a raw image (lockstep disk create makes one).")
  private Optional<String> disk = Optional.empty();

  /** Only Picocli makes one. */
  DiskOption() {}

  /** As it was given. */
  Optional<String> text() {
    return disk;
  }

  /** Opens it, if there is one. */
  Optional<BlockDevice> open() throws CommandFailure {
    if (disk.isEmpty()) {
      return Optional.empty();
    }
    try {
      return switch (parse(spec, disk.get())) {
        case DiskSpec.File file -> Optional.of(FileDisk.open(file.path()));
      };
    } catch (IOException e) {
      throw new CommandFailure(
          String.valueOf(e.getMessage()), "lockstep disk create makes an image", e);
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
