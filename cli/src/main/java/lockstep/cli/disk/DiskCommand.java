package lockstep.cli.disk;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import lockstep.cli.common.ByteSize;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.ExitCode;
import lockstep.cli.common.FileErrors;
import lockstep.monitor.block.Geometry;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.FileDisk;
import lockstep.storage.FileLease;
import lockstep.storage.SharedDisk;
import lockstep.storage.iscsi.IscsiDisk;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code lockstep disk}: makes disks, shows them, and tries their arbitration by hand. */
@Command(
    name = "disk",
    description = "Make a disk, show it, probe what it guarantees, or try its arbitration by hand.",
    subcommands = {
      DiskCommand.Create.class,
      DiskCommand.Info.class,
      DiskProbeCommand.class,
      DiskCommand.Arbitrate.class
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  lockstep disk create file:web.img --size 1G",
      "  lockstep disk info dev:/dev/sdb",
      "  lockstep disk probe iscsi://192.0.2.9/iqn.2026-11.com.example:web/1"
    })
public final class DiskCommand implements Runnable {
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

    @Parameters(
        paramLabel = "SPEC",
        description =
            "The disk: file:PATH, dev:/dev/NAME, or iscsi://HOST[:PORT]/TARGET/LUN[?chap=FILE].")
    private String disk = "";

    final DiskSpec disk() {
      return DiskOption.parse(spec, disk);
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
      Path path =
          switch (disk()) {
            case DiskSpec.File file -> file.path();
            case DiskSpec.Device _, DiskSpec.Iscsi _ ->
                throw usage("only an image can be made; give file:PATH");
          };
      try {
        FileDisk.create(path, sizeBytes);
      } catch (FileAlreadyExistsException e) {
        throw new CommandFailure("disk image " + path + " is there already", "remove it first", e);
      } catch (IOException e) {
        throw new CommandFailure(
            "disk image " + path + ": " + FileErrors.reason(e), "check the place", e);
      }
      return ExitCode.DONE;
    }
  }

  /** {@code lockstep disk info}. */
  @Command(
      name = "info",
      description = "Show a disk's size, who has it, and what its arbitration guarantees.",
      footerHeading = "%nExamples:%n",
      footer = {
        "  lockstep disk info file:web.img",
        "  lockstep disk info iscsi://192.0.2.9/iqn.2026-11.com.example:web/1?chap=web.chap"
      })
  static final class Info extends Base {
    /** Only Picocli makes one. */
    Info() {}

    @Override
    public Integer call() throws Exception {
      DiskSpec spec = disk();
      try (SharedDisk disk = DiskOption.open(spec, BlockDisk.Use.PAIR)) {
        geometry(disk.medium().geometry());
        switch (disk.medium()) {
          case BlockDisk device -> {
            row("full block", device.physicalBlockBytes() + " bytes");
            row("engine", device.engine());
          }
          case FileDisk file -> row("engine", file.engine());
          case IscsiDisk unit -> {
            row("product", unit.facts().product());
            row("FUA", unit.facts().fua() ? "yes" : "no: a flush follows the write");
            row("engine", "libiscsi, " + IscsiDisk.DEPTH + " requests");
          }
          default -> throw new IllegalStateException("a medium of another kind");
        }
        if (spec instanceof DiskSpec.File file) {
          lease(file.path());
        } else {
          reservations(disk);
        }
        out().flush();
        return ExitCode.DONE;
      } catch (IOException e) {
        throw new CommandFailure(String.valueOf(e.getMessage()), "try again", e);
      }
    }

    private void geometry(Geometry geometry) {
      row("size", geometry.capacityBytes() + " bytes");
      row("block", geometry.blockBytes() + " bytes");
      row("read-only", geometry.readOnly() ? "yes" : "no");
      row("discard", geometry.canDiscard() ? "yes" : "no");
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

    private void reservations(SharedDisk disk) throws IOException {
      if (disk.arbiter().isEmpty()) {
        row(
            "arbitration",
            "no persistent reservations: %s; a pair needs --arbiter file:PATH"
                .formatted(disk.whyNoReservations()));
        return;
      }
      row("reserved by", disk.arbiter().get().holderLine().orElse("nobody"));
      List<String> registered = disk.arbiter().get().registered();
      row("registered", registered.isEmpty() ? "nobody" : String.join("; ", registered));
      row(
          "arbitration",
          "persistent reservations: decide who goes on; the disk refuses the loser's writes");
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

    @Option(
        names = "--reopen",
        description = {
          "Claim nothing, but put back a reservation that the target has forgotten (a restart"
              + " without APTPL), so that a backup whose claims get no answer can go on.",
          "Only when the primary is dead for certain."
        })
    private boolean reopen;

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
      DiskSpec spec = disk();
      return switch (spec) {
        case DiskSpec.File file -> {
          try (FileLease lease = new FileLease(file.path())) {
            yield claim(lease, self);
          }
        }
        case DiskSpec.Device _, DiskSpec.Iscsi _ -> {
          try (SharedDisk disk = DiskOption.open(spec, BlockDisk.Use.PAIR)) {
            yield claim(disk.arbiter().orElseThrow(() -> noReservations(disk)), self);
          } catch (IOException e) {
            throw new CommandFailure(String.valueOf(e.getMessage()), "see lockstep disk info", e);
          }
        }
      };
    }

    private static CommandFailure noReservations(SharedDisk disk) {
      return new CommandFailure(
          "it has no persistent reservations: " + disk.whyNoReservations(),
          "nothing to arbitrate by; a pair needs --arbiter file:PATH");
    }

    private int claim(Arbiter arbiter, Claimant self) throws Exception {
      try {
        if (reopen) {
          arbiter.enter(new Claimant(self.vm(), self.epoch(), Claimant.Side.PRIMARY));
          out().println("REOPENED: as before any claim");
          out().flush();
          return ExitCode.DONE;
        }
        if (enter) {
          arbiter.enter(self);
        }
        Arbiter.Ruling ruling = arbiter.claim(self);
        out().println(ruling.verdict() + ": " + ruling.reason());
        out().flush();
        return ruling.verdict() == Arbiter.Verdict.WON ? ExitCode.DONE : ExitCode.FAILED;
      } catch (IOException e) {
        throw new CommandFailure(String.valueOf(e.getMessage()), "see lockstep disk info", e);
      }
    }
  }
}
