package lockstep.cli.disk;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.ExitCode;
import lockstep.cli.common.Finding;
import lockstep.cli.common.Json;
import lockstep.monitor.block.Geometry;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.SharedDisk;
import lockstep.storage.scsi.ScsiTransport;
import lockstep.storage.scsi.UnitFacts;
import lockstep.storage.scsi.UnitProbe;
import lockstep.storage.scsi.UnitProbe.Guarantees;
import lockstep.storage.scsi.UnitProbe.Tried;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code lockstep disk probe}: tries what a disk guarantees. */
@Command(
    name = "probe",
    description = {
      "Try what a disk guarantees to a pair: who settles who goes on, whether the loser's writes"
          + " are refused, and what it forgets.",
      "A disk with reservations is reserved, preempted and written (with what is there) for a"
          + " second or two; one that somebody is registered on is left alone. Other users of a"
          + " disk without reservations cannot be seen: make sure that there are none."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  lockstep disk probe iscsi://192.0.2.9/iqn.2026-11.com.example:web/1?chap=web.chap",
      "  lockstep disk probe dev:/dev/sdb --second dev:/dev/sdc"
    },
    exitCodeList = {
      "0:this disk settles who goes on",
      "1:failed, in use, or a pair needs --arbiter",
      "2:wrong usage"
    })
final class DiskProbeCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(
      paramLabel = "SPEC",
      description =
          "The disk: file:PATH, dev:/dev/NAME, or iscsi://HOST[:PORT]/TARGET/LUN[?chap=FILE].")
  private String disk = "";

  @Option(
      names = "--second",
      paramLabel = "SPEC",
      description =
          "Another way to the same disk, by another adapter or initiator name, that is to take it"
              + " over. Default for iscsi: a second session; a device needs one to have fencing"
              + " tried.")
  private Optional<String> second = Optional.empty();

  @Option(
      names = "--json",
      description = "Print a JSON array of {name, state, value, consequence}.")
  private boolean json;

  /** Only Picocli makes one. */
  DiskProbeCommand() {}

  @Override
  public Integer call() throws Exception {
    DiskSpec named = DiskOption.parse(spec, disk);
    List<Finding> findings = new ArrayList<>();
    try (SharedDisk open = DiskOption.open(named, BlockDisk.Use.ALONE)) {
      boolean settles =
          switch (named) {
            case DiskSpec.File file -> file(file.path(), findings);
            case DiskSpec.Device _ ->
                second.isEmpty()
                    ? unit(open, Optional.empty(), findings)
                    : units(open, DiskOption.parse(spec, second.get()), findings);
            case DiskSpec.Iscsi iscsi ->
                units(
                    open, second.map(text -> DiskOption.parse(spec, text)).orElse(iscsi), findings);
          };
      medium(open.medium().geometry(), findings);
      print(findings);
      return settles ? ExitCode.DONE : ExitCode.FAILED;
    } catch (IOException e) {
      throw new CommandFailure(
          String.valueOf(e.getMessage()), "see lockstep disk info, or try again", e);
    }
  }

  private void print(List<Finding> findings) {
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.of(findings.stream().map(Finding::json).toList()));
    } else {
      Finding.print(out, findings);
    }
    out.flush();
  }

  private static boolean file(Path image, List<Finding> to) {
    Path directory = image.toAbsolutePath().getParent();
    boolean links = directory != null && linksDecide(directory);
    to.add(
        Finding.of(
            "file lease",
            links,
            new String[] {"a hard link has one winner", "no hard links in its directory"},
            new String[] {
              "decides who of a pair goes on", "a pair needs --arbiter file:PATH elsewhere"
            }));
    to.add(
        new Finding(
            "fencing",
            Finding.State.MISSING,
            "a file system takes writes from everybody",
            "a write that a loser's kernel had taken may still reach the file"));
    return links;
  }

  /** Makes a link twice: the second one must find the name taken. */
  private static boolean linksDecide(Path directory) {
    try {
      Path one = Files.createTempFile(directory, ".lockstep-probe.", ".one");
      Path two = directory.resolve(one.getFileName() + ".link");
      try {
        Files.createLink(two, one);
        Files.createLink(two, one);
        return false;
      } catch (java.nio.file.FileAlreadyExistsException e) {
        return true;
      } finally {
        Files.deleteIfExists(two);
        Files.deleteIfExists(one);
      }
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }

  private static boolean units(SharedDisk disk, DiskSpec other, List<Finding> to)
      throws IOException, CommandFailure {
    try (SharedDisk way = DiskOption.open(other, BlockDisk.Use.PAIR)) {
      return unit(disk, way.unit(), to);
    }
  }

  private static boolean unit(SharedDisk disk, Optional<ScsiTransport> second, List<Finding> to)
      throws IOException {
    if (disk.arbiter().isEmpty()) {
      to.add(
          new Finding(
              "reservations",
              Finding.State.MISSING,
              disk.whyNoReservations(),
              "a pair needs --arbiter file:PATH, and the loser's writes are not refused"));
      return false;
    }
    ScsiTransport unit = disk.unit().orElseThrow();
    UnitFacts facts = UnitFacts.of(unit);
    Guarantees found = UnitProbe.of(unit, second, facts, SharedDisk.COMMAND_MILLIS);
    to.add(new Finding("product", Finding.State.OK, facts.product(), "as the unit calls itself"));
    reservations(found, to);
    fencing(found, to);
    to.add(
        Finding.of(
            "APTPL",
            found.persistent(),
            new String[] {"kept through a loss of power", "forgotten when the target restarts"},
            new String[] {
              "a restart of the target changes nothing",
              "while target and primary are both down a backup waits: lockstep disk arbitrate"
                  + " --reopen"
            }));
    facts(facts, to);
    return found.preempts() != Tried.NO && found.fencesLosers() != Tried.NO;
  }

  private static void reservations(Guarantees found, List<Finding> to) {
    to.add(
        new Finding(
            "reservations",
            Finding.State.OK,
            "registers, reserves",
            "the disk itself can settle who goes on"));
    to.add(
        tried(
            "preemption",
            found.preempts(),
            "a second nexus takes it over",
            "a second nexus cannot take it over",
            "a pair can use it",
            "no pair can use it: --arbiter file:PATH"));
    to.add(
        tried(
            "LUN RESET",
            found.resets(),
            "answered",
            "refused",
            "ends the loser's writes in flight",
            "a takeover is never confirmed: --arbiter file:PATH"));
  }

  private static void fencing(Guarantees found, List<Finding> to) {
    to.add(
        tried(
            "strangers",
            found.fencesStrangers(),
            "a write without registration is refused",
            "a write without registration is taken",
            "other hosts cannot write beside a VM",
            "other hosts can write beside a VM"));
    to.add(
        tried(
            "fencing",
            found.fencesLosers(),
            "0 writes of the loser taken, %d before".formatted(found.before()),
            "%d writes of the loser taken".formatted(found.after()),
            "the storage itself stops a loser",
            "a loser can write on: do not use it for a pair"));
    to.add(
        found.fencesLosers() == Tried.NOT_TRIED
            ? notTried("in flight")
            : Finding.of(
                "in flight",
                found.late() == 0,
                new String[] {
                  "none of %d writes came after the reset".formatted(UnitProbe.WRITERS),
                  "%d writes were acknowledged after the reset".formatted(found.late())
                },
                new String[] {
                  "nothing late can overwrite the winner", "a late write may overwrite the winner's"
                }));
  }

  private static Finding notTried(String name) {
    return new Finding(
        name,
        Finding.State.LIMITED,
        "not tried",
        "takes a second way to it (--second), and a disk that may be written");
  }

  private static Finding tried(
      String name, Tried how, String good, String bad, String ifGood, String ifBad) {
    return switch (how) {
      case YES -> new Finding(name, Finding.State.OK, good, ifGood);
      case NO -> new Finding(name, Finding.State.MISSING, bad, ifBad);
      case NOT_TRIED -> notTried(name);
    };
  }

  private static void facts(UnitFacts facts, List<Finding> to) {
    to.add(
        Finding.of(
            "FUA",
            facts.fua(),
            new String[] {"known", "not known"},
            new String[] {"a forced write is one command", "a flush follows each forced write"}));
    to.add(
        new Finding(
            "block limits",
            Finding.State.OK,
            facts.maxBlocks() == Integer.MAX_VALUE
                ? "none named"
                : facts.maxBlocks() + " blocks a command",
            "larger requests are sent in pieces"));
  }

  private static void medium(Geometry geometry, List<Finding> to) {
    to.add(
        Finding.of(
            "discard",
            geometry.canDiscard(),
            new String[] {"yes", "no"},
            new String[] {
              "blocks that the guest gives back are free again", "the guest cannot give back blocks"
            }));
    to.add(
        Finding.of(
            "writable",
            !geometry.readOnly(),
            new String[] {"%d bytes".formatted(geometry.capacityBytes()), "read-only"},
            new String[] {
              "in blocks of %d bytes".formatted(geometry.blockBytes()), "the guest cannot write it"
            }));
  }
}
