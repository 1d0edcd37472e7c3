package lockstep.cli.disk;

import java.io.IOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import lockstep.cli.common.AllClosed;
import lockstep.cli.common.CommandFailure;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.block.BlockDevice;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.SharedDisk;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code --disk}: the guest's disks. */
public final class DiskOption {
  private static final int VM_BYTES = 16;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--disk",
      paramLabel = "SPEC",
      description =
          "A disk of the guest, up to 8 times: file:PATH, a raw image (lockstep disk create makes one), which a pair"
              + " reaches past the page cache, so that a completed write survives its host;"
              + " dev:/dev/NAME, a block device; or iscsi://HOST[:PORT]/TARGET/LUN[?chap=FILE],"
              + " a unit of an iSCSI target, with USER:SECRET in a file that others cannot read.")
  private List<String> disks = List.of();

  /** Only Picocli makes one. */
  public DiskOption() {}

  /**
   * As they were given.
   *
   * @throws ParameterException when there are too many, or one is given twice
   */
  public List<String> texts() {
    if (disks.size() > MachineLayout.MAX_DISKS) {
      throw new ParameterException(
          spec.commandLine(),
          "%d disks; a machine has %d at most".formatted(disks.size(), MachineLayout.MAX_DISKS));
    }
    for (int i = 1; i < disks.size(); i++) {
      if (disks.subList(0, i).contains(disks.get(i))) {
        throw new ParameterException(
            spec.commandLine(), "--disk " + disks.get(i) + " is given twice; each is one disk");
      }
    }
    return disks;
  }

  /** Opens them for one machine of this host that is in no pair. */
  public HeldDisk open() throws CommandFailure {
    List<SharedDisk> opened = new ArrayList<>();
    List<BlockDevice> media = new ArrayList<>();
    Claimant self = new Claimant(newVm(), 1, Claimant.Side.PRIMARY);
    try {
      for (String text : texts()) {
        SharedDisk disk = open(parse(spec, text), BlockDisk.Use.ALONE);
        opened.add(disk);
        disk.lease().ifPresent(lease -> lease.watch(new LeaseNotes(lease, DiskOption::say)));
        media.add(heldFor(disk, self));
      }
      HeldDisk held = new HeldDisk(media);
      opened.forEach(disk -> disk.onLoss(held::lose));
      return held;
    } catch (CommandFailure | RuntimeException e) {
      AllClosed.closeAfter(e, opened.stream().<AllClosed.Part>map(one -> one::close).toList());
      throw e;
    }
  }

  private static BlockDevice heldFor(SharedDisk disk, Claimant self) throws CommandFailure {
    try {
      return disk.heldFor(self);
    } catch (IOException e) {
      throw new CommandFailure(
          String.valueOf(e.getMessage()), "lockstep disk info shows who has it", e);
    }
  }

  /** The terminal may be in raw mode. */
  private static void say(String line) {
    System.err.print("lockstep: " + line + "\r\n");
  }

  /** The identity of a VM that never was. */
  public static String newVm() {
    byte[] random = new byte[VM_BYTES];
    new SecureRandom().nextBytes(random);
    return HexFormat.of().formatHex(random);
  }

  /** Opens what a user named. */
  public static SharedDisk open(DiskSpec disk, BlockDisk.Use use) throws CommandFailure {
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
  public static DiskSpec parse(CommandSpec spec, String text) {
    try {
      return DiskSpec.parse(text);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), String.valueOf(e.getMessage()), e);
    }
  }
}
