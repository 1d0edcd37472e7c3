package lockstep.cli.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.control.ControlClient;
import lockstep.cli.process.OwnCommand;
import lockstep.cli.process.PairSide;
import lockstep.cli.process.Scratch;
import lockstep.cli.vm.VmCommands;
import lockstep.storage.FileDisk;

/** A pair of real processes for a benchmark, or a primary alone; with a disk of its own. */
final class BenchPair implements AutoCloseable {
  private static final Pattern LISTENING = Pattern.compile("listening on (\\S+)");
  private static final long DISK_BYTES = 16L << 20;
  private static final long LIMIT_SECONDS = 120;
  private static final long POLL_MILLIS = 5;

  private final Scratch scratch;
  private final Path image;
  private final String name;
  private final String address;
  private final Optional<PairSide> backup;
  private final PairSide primary;

  /** Whether there is a backup, and when the primary asks for it. */
  enum Backup {
    NONE,
    /** Before the first instruction. */
    FROM_START,
    /** It listens, and waits for {@link #protect}. */
    LATER
  }

  /**
   * Starts the processes.
   *
   * @param name unique among the pairs of this run
   * @param timeoutMillis the failure time-out; empty for the default
   * @param guest what the primary is to start, as its options
   */
  BenchPair(
      Scratch scratch,
      String name,
      Backup when,
      Optional<Integer> timeoutMillis,
      List<String> guest)
      throws Exception {
    this.scratch = scratch;
    this.name = "bench-%d-%s".formatted(ProcessHandle.current().pid(), name);
    this.image = scratch.directory().resolve(name + ".img");
    FileDisk.create(image, DISK_BYTES);
    List<String> common = new ArrayList<>(List.of("--disk", "file:" + image));
    timeoutMillis.ifPresent(
        millis -> common.addAll(List.of("--failure-timeout", String.valueOf(millis))));
    Optional<PairSide> other = Optional.empty();
    String at = "";
    try {
      if (when != Backup.NONE) {
        PairSide side = start("backup", common, List.of("--listen", "127.0.0.1:0"));
        other = Optional.of(side);
        at =
            side.awaitNote(LISTENING, LIMIT_SECONDS)
                .orElseThrow(() -> failed("the backup does not listen", side))
                .group(1);
      }
      List<String> own = new ArrayList<>(guest);
      if (when == Backup.FROM_START) {
        own.addAll(List.of("--backup", at));
      }
      primary = start("primary", common, own);
    } catch (Exception e) {
      other.ifPresent(scratch::end);
      throw e;
    }
    this.backup = other;
    this.address = at;
  }

  private PairSide start(String role, List<String> common, List<String> own) throws IOException {
    List<String> arguments = new ArrayList<>(List.of(role, "--name", name + "-" + role));
    arguments.addAll(common);
    arguments.addAll(own);
    String[] words = arguments.toArray(String[]::new);
    return scratch.start(
        () -> new PairSide(name + "-" + role, OwnCommand.thatEndsWithUs(words), line -> {}));
  }

  private static CommandFailure failed(String what, PairSide side) {
    List<PairSide.Note> notes = side.notes();
    return new CommandFailure(
        what + (notes.isEmpty() ? "" : " (" + notes.getLast().text() + ")"),
        "try again on a quieter machine");
  }

  PairSide primary() {
    return primary;
  }

  PairSide backup() {
    return backup.orElseThrow(() -> new IllegalStateException("no backup"));
  }

  /** Waits until the primary's console shows a text behind a position; returns when it did, ns. */
  long await(String text, int from) throws Exception {
    if (!primary.awaitConsole(text, from, LIMIT_SECONDS)) {
      throw failed("the guest did not show '" + text.strip() + "'", primary);
    }
    return System.nanoTime();
  }

  /** What {@code lockstep status} shows of the primary. */
  Map<String, Object> status() throws CommandFailure {
    return VmCommands.ask(name + "-primary", Map.of("command", "status"));
  }

  /** A number of the primary's status. */
  long number(String field) throws CommandFailure {
    return ((Number) status().getOrDefault(field, 0)).longValue();
  }

  /** Gives the VM its backup, and waits until it has it. */
  void protect() throws Exception {
    VmCommands.ask(name + "-primary", Map.of("command", "protect", "backup", address));
    awaitState("PROTECTED");
  }

  /** Takes the backup away, and waits until it is free for the next pair. */
  void detach() throws Exception {
    VmCommands.ask(name + "-primary", Map.of("command", "detach"));
    awaitState("ALONE");
    long until = System.nanoTime() + LIMIT_SECONDS * 1_000_000_000L;
    while (!"WAITING"
        .equals(VmCommands.ask(name + "-backup", Map.of("command", "status")).get("state"))) {
      if (System.nanoTime() > until) {
        throw failed("the backup did not become free", backup());
      }
      Thread.sleep(POLL_MILLIS);
    }
  }

  private void awaitState(String state) throws Exception {
    long until = System.nanoTime() + LIMIT_SECONDS * 1_000_000_000L;
    while (!state.equals(status().get("state"))) {
      if (backup.isPresent() && !backup.get().process().isAlive()) {
        throw failed("the backup has ended", backup.get());
      }
      if (System.nanoTime() > until) {
        throw failed("the VM did not become " + state, primary);
      }
      Thread.sleep(POLL_MILLIS);
    }
  }

  /** The newest line of the primary that matches, once there are so many. */
  MatchResult note(Pattern pattern, int count) throws Exception {
    long until = System.nanoTime() + LIMIT_SECONDS * 1_000_000_000L;
    while (System.nanoTime() < until) {
      List<MatchResult> found =
          primary.notes().stream()
              .map(note -> pattern.matcher(note.text()))
              .filter(matcher -> matcher.find())
              .map(matcher -> matcher.toMatchResult())
              .toList();
      if (found.size() >= count) {
        return found.getLast();
      }
      Thread.sleep(POLL_MILLIS);
    }
    throw failed("no note of a transfer", primary);
  }

  @Override
  public void close() throws IOException {
    // The VM first: its backup then ends in order.
    scratch.end(primary);
    backup.ifPresent(scratch::end);
    // One that was killed has left its socket.
    ControlClient.forgetIfDead(name + "-primary");
    Files.deleteIfExists(image);
  }
}
