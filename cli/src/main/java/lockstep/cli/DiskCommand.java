package lockstep.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.Geometry;
import lockstep.replay.ft.Arbiter;
import lockstep.replay.ft.Claimant;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.FileDisk;
import lockstep.storage.FileLease;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code lockstep disk}: makes disks, shows them, and tries their arbitration by hand. */
@Command(
    name = "disk",
    description = "Make a disk, show it, or try its arbitration by hand.",
    subcommands = {DiskCommand.Create.class, DiskCommand.Info.class, DiskCommand.Arbitrate.class},
    footerHeading = "%nExamples:%n",
    footer = {"  lockstep disk create file:web.img --size 1G", "  lockstep disk info dev:/dev/sdb"})
final class DiskCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  /** Only Picocli makes one. */
  DiskCommand() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "no command given");
  }

  /** What they have in common: the disk. */
  abstract static class Base implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();

    @Parameters(paramLabel = "SPEC", description = "The disk: file:PATH or dev:/dev/NAME.")
    private String disk = "";

    final DiskSpec disk() {
      return DiskOption.parse(spec, disk);
    }

    /** The image, where only an image will do. */
    final Path path(String problemOfDevice) {
      return switch (disk()) {
        case DiskSpec.File file -> file.path();
        case DiskSpec.Device _ -> throw usage(problemOfDevice);
      };
    }

    final PrintWriter out() {
      return spec.commandLine().getOut();
    }

    final ParameterException usage(String problem) {
      return new ParameterException(spec.commandLine(), problem);
    }
  }

  /** {@code lockstep disk create}. */
  @Command(
      name = "create",
      description = "Make a raw image of zeros; it takes no room until it is written.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep disk create file:web.img --size 1G")
  static final class Create extends Base {
    private static final long LEAST_BYTES = 1L << 12;

    @Option(
        names = "--size",
        required = true,
        paramLabel = "SIZE",
        converter = ByteSize.class,
        description = "Such as 64M or 10G; a multiple of 4096.")
    private long sizeBytes;

    /** Only Picocli makes one. */
    Create() {}

    @Override
    public Integer call() throws Exception {
      if (sizeBytes < LEAST_BYTES || sizeBytes % LEAST_BYTES != 0) {
        throw usage("--size " + sizeBytes + ": a multiple of " + LEAST_BYTES);
      }
      Path path = path("a block device is not made but found; give file:PATH");
      try {
        FileDisk.create(path, sizeBytes);
      } catch (FileAlreadyExistsException e) {
        throw new CommandFailure("disk image " + path + " is there already", "remove it first", e);
      } catch (IOException e) {
        throw new CommandFailure(
            "disk image " + path + ": " + FileErrors.reason(e), "check the place", e);
      }
      return Main.DONE;
    }
  }

  /** {@code lockstep disk info}. */
  @Command(
      name = "info",
      description = "Show a disk's size, who has it, and what its arbitration guarantees.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep disk info file:web.img")
  static final class Info extends Base {
    /** Only Picocli makes one. */
    Info() {}

    @Override
    public Integer call() throws Exception {
      DiskSpec spec = disk();
      try (BlockDevice disk = DiskOption.open(spec, BlockDisk.Use.PAIR)) {
        Geometry geometry = disk.geometry();
        row("size", geometry.capacityBytes() + " bytes");
        row("block", geometry.blockBytes() + " bytes");
        row("read-only", geometry.readOnly() ? "yes" : "no");
        row("discard", geometry.canDiscard() ? "yes" : "no");
        if (disk instanceof BlockDisk device) {
          row("full block", device.physicalBlockBytes() + " bytes");
          row("engine", device.engine());
        } else if (disk instanceof FileDisk file) {
          row("engine", file.engine());
        }
        switch (spec) {
          case DiskSpec.File file -> lease(file.path());
          case DiskSpec.Device _ -> {
            row("arbitration", "none on a block device yet; a pair needs --arbiter file:PATH");
          }
        }
        out().flush();
        return Main.DONE;
      } catch (IOException e) {
        throw new CommandFailure(String.valueOf(e.getMessage()), "try again", e);
      }
    }

    private void lease(Path image) throws IOException {
      try (FileLease lease = new FileLease(image)) {
        row("taken by", lease.holderLine().orElse("nobody"));
        row(
            "arbitration",
            "file lease: decides who goes on; "
                + (lease.fences()
                    ? "the storage refuses the loser's writes"
                    : "cannot refuse the loser's writes"));
      }
    }

    private void row(String name, String value) {
      out().printf("%-12s %s%n", name, value);
    }
  }

  /** {@code lockstep disk arbitrate}. */
  @Command(
      name = "arbitrate",
      description = {
        "Claim a disk by hand, as a side of a pair would when the other one is dead.",
        "That side wins for ever: a try on the disk of a running pair decides its fate."
      },
      footerHeading = "%nExample:%n",
      footer = {
        "  lockstep disk arbitrate file:try.img --vm 00112233445566778899aabbccddeeff \\",
        "      --epoch 1 --side backup"
      },
      exitCodeList = {"0:won", "1:lost, or no answer", "2:wrong usage"})
  static final class Arbitrate extends Base {
    @Option(
        names = "--vm",
        required = true,
        paramLabel = "ID",
        description = "The VM's identity: 32 hexadecimal digits, as lockstep status shows it.")
    private String vm = "";

    @Option(
        names = "--epoch",
        required = true,
        paramLabel = "N",
        description = "The pair's epoch, as lockstep status shows it.")
    private long epoch;

    @Option(
        names = "--side",
        required = true,
        paramLabel = "SIDE",
        description = "Who claims: ${COMPLETION-CANDIDATES}.")
    private Claimant.Side side = Claimant.Side.BACKUP;

    @Option(names = "--enter", description = "Make the side known to the disk first.")
    private boolean enter;

    /** Only Picocli makes one. */
    Arbitrate() {}

    @Override
    public Integer call() throws Exception {
      Claimant self;
      try {
        self = new Claimant(vm, epoch, side);
      } catch (IllegalArgumentException e) {
        throw usage(String.valueOf(e.getMessage()));
      }
      try (Arbiter arbiter =
          new FileLease(path("arbitration on a block device is not built yet; give file:PATH"))) {
        if (enter) {
          arbiter.enter(self);
        }
        Arbiter.Ruling ruling = arbiter.claim(self);
        out().println(ruling.verdict() + ": " + ruling.reason());
        out().flush();
        return ruling.verdict() == Arbiter.Verdict.WON ? Main.DONE : Main.FAILED;
      } catch (IOException e) {
        throw new CommandFailure(String.valueOf(e.getMessage()), "see lockstep disk info", e);
      }
    }
  }
}
