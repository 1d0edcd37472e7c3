package lockstep.cli;

import java.io.IOException;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Optional;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.SharedDisk;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code --disk}: the guest's disk. */
final class DiskOption {
  private static final int VM_BYTES = 16;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--disk",
      paramLabel = "SPEC",
      description =
          "The guest's disk: file:PATH, a raw image (lockstep disk create makes one), which a pair"
              + " reaches past the page cache, so that a completed write survives its host;"
              + " dev:/dev/NAME, a block device; or iscsi://HOST[:PORT]/TARGET/LUN[?chap=FILE],"
              + " a unit of an iSCSI target, with USER:SECRET in a file that others cannot read.")
  private Optional<String> disk = Optional.empty();

  /** Only Picocli makes one. */
  DiskOption() {}

  /** As it was given. */
  Optional<String> text() {
    return disk;
  }

  /** Opens it, if there is one, for one machine of this host that is in no pair. */
  HeldDisk open() throws CommandFailure {
    if (disk.isEmpty()) {
      return HeldDisk.none();
    }
    DiskSpec named = parse(spec, disk.get());
    SharedDisk opened = open(named, BlockDisk.Use.ALONE);
    opened.lease().ifPresent(lease -> lease.watch(new LeaseNotes(lease, DiskOption::say)));
    try {
      HeldDisk held =
          new HeldDisk(
              Optional.of(opened.heldFor(new Claimant(newVm(), 1, Claimant.Side.PRIMARY))));
      opened.onLoss(held::lose);
      return held;
    } catch (IOException e) {
      CommandFailure refused =
          new CommandFailure(
              String.valueOf(e.getMessage()), "lockstep disk info shows who has it", e);
      try (opened) {
        throw refused;
      } catch (IOException closing) {
        e.addSuppressed(closing);
        throw refused;
      }
    }
  }

  /** The terminal may be in raw mode. */
  private static void say(String line) {
    System.err.print("lockstep: " + line + "\r\n");
  }

  /** The identity of a VM that never was. */
  static String newVm() {
    byte[] random = new byte[VM_BYTES];
    new SecureRandom().nextBytes(random);
    return HexFormat.of().formatHex(random);
  }

  /** Opens what a user named. */
  static SharedDisk open(DiskSpec disk, BlockDisk.Use use) throws CommandFailure {
    try {
      return SharedDisk.open(disk, use);
    } catch (IOException e) {
      throw failure(disk, e);
    }
  }

  private static CommandFailure failure(DiskSpec disk, IOException e) {
    String remedy =
        switch (disk) {
          case DiskSpec.File _ -> "lockstep disk create makes an image";
          case DiskSpec.Device _ -> "lsblk shows the devices there are";
          case DiskSpec.Iscsi _ -> "check its address, and that the target lets this host in";
        };
    return new CommandFailure(String.valueOf(e.getMessage()), remedy, e);
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
