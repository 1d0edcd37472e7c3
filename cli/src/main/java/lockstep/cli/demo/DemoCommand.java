package lockstep.cli.demo;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.ExitCode;
import lockstep.cli.control.ControlClient;
import lockstep.cli.guest.GuestList;
import lockstep.cli.process.OwnCommand;
import lockstep.cli.process.PairSide;
import lockstep.cli.process.Scratch;
import lockstep.storage.FileDisk;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code lockstep demo}: a pair on this machine, a kill, a takeover, and a check. */
@Command(
    name = "demo",
    description = {
      "Kill the primary of a protected VM on this machine, and check that nothing is lost:",
      "it runs under load, and the world outside sees the backup take over."
    },
    footerHeading = "%nExamples:%n",
    footer = {"  lockstep demo", "  lockstep demo --guest linux --transactions 100"},
    exitCodeList = {"0:nothing was lost", "1:failed", "2:wrong usage"})
public final class DemoCommand implements Callable<Integer> {
  private static final Pattern LISTENING = Pattern.compile("listening on (\\S+)");
  private static final Pattern GOES_ON = Pattern.compile("(\\d+) digests.*goes on at byte (\\d+)");
  private static final long DISK_BYTES = 16L << 20;
  private static final long START_SECONDS = 120;
  private static final long END_SECONDS = 60;
  private static final int MAX_TRANSACTIONS = 1_000_000;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--guest",
      paramLabel = "NAME",
      description = "bank or linux. Default: linux if it is built, else bank.")
  private Optional<String> guest = Optional.empty();

  @Option(
      names = "--transactions",
      paramLabel = "N",
      defaultValue = "40",
      description = "How many to see before the kill, and after. Default: ${DEFAULT-VALUE}.")
  private int transactions = 40;

  @Option(
      names = "--failure-timeout",
      paramLabel = "MS",
      defaultValue = "5000",
      description = {
        "As for lockstep backup. Long, so that a busy machine is not taken for a dead one; the",
        "takeover need not wait for it, since a killed process closes its connections.",
        "Default: ${DEFAULT-VALUE}."
      })
  private int timeoutMillis = 5_000;

  private long startNanos;

  /** Only Picocli makes one. */
  DemoCommand() {}

  @Override
  public Integer call() throws Exception {
    if (transactions < 1 || transactions > MAX_TRANSACTIONS) {
      throw new ParameterException(
          spec.commandLine(), "--transactions " + transactions + ": 1 to " + MAX_TRANSACTIONS);
    }
    String name = guest.orElse(ready("linux") ? "linux" : "bank");
    if (!name.equals("bank") && !name.equals("linux")) {
      throw new ParameterException(spec.commandLine(), "--guest " + name + ": bank or linux");
    }
    startNanos = System.nanoTime();
    try (Scratch scratch = new Scratch("lockstep-demo-")) {
      return run(name, scratch);
    } catch (CommandFailure | IOException e) {
      if (Scratch.processIsEnding()) {
        return ExitCode.FAILED; // By a signal: what fails from then on is of no interest.
      }
      throw e;
    }
  }

  private static boolean ready(String name) {
    return GuestList.find(name).map(found -> found.source().ready()).orElse(false);
  }

  private int run(String name, Scratch scratch) throws Exception {
    Path image = scratch.directory().resolve("disk.img");
    FileDisk.create(image, DISK_BYTES);
    say("shared disk: file:%s, %d MiB", image, DISK_BYTES >> 20);
    String disk = "file:" + image;
    String timeout = "--failure-timeout=" + timeoutMillis;
    long self = ProcessHandle.current().pid();
    String at = "127.0.0.1:0";
    PairSide backup =
        side(scratch, "backup", "demo-backup-" + self, "--listen", at, "--disk", disk, timeout);
    String address =
        backup
            .awaitNote(LISTENING, START_SECONDS)
            .orElseThrow(() -> failed("the backup does not listen"))
            .group(1);
    PairSide primary =
        side(
            scratch,
            "primary",
            primaryName(),
            "--guest",
            name,
            "--disk",
            disk,
            "--backup",
            address,
            "--digest-interval",
            "200",
            timeout);
    say("guest %s starts at the primary; failure time-out %d ms", name, timeoutMillis);
    return kill(name, primary, backup, image);
  }

  private static String primaryName() {
    return "demo-" + ProcessHandle.current().pid();
  }

  private PairSide side(Scratch scratch, String role, String name, String... more)
      throws IOException {
    List<String> arguments = new ArrayList<>(List.of(role, "--name", name));
    arguments.addAll(List.of(more));
    String[] words = arguments.toArray(String[]::new);
    return scratch.start(
        () -> new PairSide(role, OwnCommand.thatEndsWithUs(words), line -> say("%s", line)));
  }

  private int kill(String name, PairSide primary, PairSide backup, Path image) throws Exception {
    boolean linux = name.equals("linux");
    awaitTransactions(linux, primary, backup);
    long killed = System.nanoTime();
    primary.kill();
    // Killed, it could not take it along.
    ControlClient.forgetIfDead(primaryName());
    Optional<java.util.regex.MatchResult> goesOn = backup.awaitNote(GOES_ON, END_SECONDS);
    if (goesOn.isEmpty()) {
      throw failed("the backup did not take over within " + END_SECONDS + " s");
    }
    BankRecord early = check(primary, backup, goesOn.get().group(2));
    long goal = early.lastBefore() + transactions;
    if (!backup.awaitConsole("bank: " + goal + "\r\n", 0, END_SECONDS)) {
      throw failed("the survivor did not come to transaction " + goal);
    }
    backup.type(linux ? "\003" : "q");
    if (!backup.awaitConsole("bank: closed\r\n", 0, END_SECONDS)) {
      throw failed("the survivor's console takes no input");
    }
    if (linux) {
      backup.type("poweroff\n");
    }
    Optional<Integer> code = backup.await(END_SECONDS);
    if (code.isEmpty() || code.get() != 0) {
      throw failed("the survivor did not end well: " + code.map(String::valueOf).orElse("hangs"));
    }
    timeline(backup, killed);
    return verdict(check(primary, backup, goesOn.get().group(2)), goesOn.get().group(1), image);
  }

  /** Returns when the world has seen them and the VM is protected, at that very moment. */
  private void awaitTransactions(boolean linux, PairSide primary, PairSide backup)
      throws Exception {
    ProtectionWatch watch =
        new ProtectionWatch(primaryName(), primary, backup, line -> say("%s", line));
    watch.awaitProtection(START_SECONDS);
    say("the VM is protected");
    if (linux) {
      watch.await(
          "the guest did not come to its prompt within " + START_SECONDS + " s",
          START_SECONDS,
          () -> shows(primary, "lockstep# "),
          () -> "the guest has shown " + primary.consoleBytes() + " bytes");
      primary.type("bank /dev/vda\n");
    }
    watch.await(
        "the guest did not come to transaction %d within %d s"
            .formatted(transactions, START_SECONDS),
        START_SECONDS,
        () -> shows(primary, "bank: " + transactions + "\r\n"),
        () -> "%d of %d transactions seen".formatted(seen(primary), transactions));
    watch.check();
    say("%d transactions seen; the primary is killed now", transactions);
  }

  private static boolean shows(PairSide side, String text) {
    return new String(side.console(), StandardCharsets.ISO_8859_1).contains(text);
  }

  private static long seen(PairSide side) {
    return new BankRecord(side.console(), new byte[0], side.consoleBytes()).last();
  }

  private static BankRecord check(PairSide primary, PairSide backup, String goesOnAt) {
    return new BankRecord(primary.console(), backup.console(), Integer.parseInt(goesOnAt));
  }

  private void timeline(PairSide backup, long killed) {
    List<PairSide.Note> lines = new ArrayList<>(backup.notes());
    lines.removeIf(note -> note.nanos() < killed);
    lines.add(new PairSide.Note(backup.firstByteNanos(), "first console byte of the survivor"));
    lines.sort(Comparator.comparingLong(PairSide.Note::nanos));
    say("after the kill:");
    for (PairSide.Note line : lines) {
      out().printf("    %+8.1f ms  %s%n", (line.nanos() - killed) / 1e6, line.text());
    }
    out().flush();
  }

  private int verdict(BankRecord check, String digests, Path image) throws IOException {
    say(
        "outside record: transactions 1 to %d, %d of them before the kill; %d console bytes shown"
            + " twice",
        check.last(), check.lastBefore(), check.shownTwice());
    Optional<String> complaint = check.consoleComplaint();
    if (complaint.isEmpty()) {
      complaint = check.diskComplaint(image);
    }
    if (complaint.isEmpty() && digests.equals("0")) {
      complaint = Optional.of("the two machines were never compared");
    }
    if (complaint.isPresent()) {
      say("LOST: %s", complaint.get());
      return ExitCode.FAILED;
    }
    say(
        "nothing was lost: no number is missing, every number seen is on the disk, %s digests of"
            + " both machines were equal",
        digests);
    return ExitCode.DONE;
  }

  private static CommandFailure failed(String what) {
    return new CommandFailure(what, "its own lines above say why");
  }

  @SuppressWarnings("AnnotateFormatMethod") // The annotation is a library of its own.
  private void say(String format, Object... arguments) {
    double seconds = (System.nanoTime() - startNanos) / 1e9;
    out().printf("%7.3f s  %s%n", seconds, String.format(format, arguments));
    out().flush();
  }

  private PrintWriter out() {
    return spec.commandLine().getOut();
  }
}
