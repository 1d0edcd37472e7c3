package lockstep.cli.demo;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.control.ControlClient;
import lockstep.cli.process.PairSide;

/**
 * Waits for something about a pair, and meanwhile looks at whether its VM is protected and tells
 * how far it is. Owned by the thread that waits.
 */
final class ProtectionWatch {
  /** Lost protection is to be told within a second, and a busy machine answers late. */
  private static final long POLL_MILLIS = 250;

  private static final long PROGRESS_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final String PROTECTED = "PROTECTED";

  private final String primaryName;
  private final PairSide primary;
  private final PairSide backup;
  private final Consumer<String> progress;
  private boolean wasProtected;
  private long progressNanos = System.nanoTime();
  private String told = "";

  /**
   * @param primaryName by which the primary's control socket is found
   * @param progress gets a line now and then while something is awaited
   */
  ProtectionWatch(
      String primaryName, PairSide primary, PairSide backup, Consumer<String> progress) {
    this.primaryName = primaryName;
    this.primary = primary;
    this.backup = backup;
    this.progress = progress;
  }

  /** Something that comes about. */
  interface Condition {
    /** Whether it is there. */
    boolean met() throws IOException;
  }

  /** How far it is; empty when there is nothing to say. */
  interface Distance {
    /** In words. */
    String text();
  }

  /**
   * Waits until the VM is protected for the first time.
   *
   * @throws CommandFailure when it does not become so in time, or a side ends
   */
  void awaitProtection(long seconds) throws CommandFailure, InterruptedException {
    await(
        "the VM was not protected within " + seconds + " s",
        seconds,
        () -> wasProtected,
        this::transfer);
  }

  /**
   * Waits until a condition is met by a VM that is protected all the while.
   *
   * @param otherwise what failed if it is not met in time
   * @throws CommandFailure when it is not, or protection is lost
   */
  void await(String otherwise, long seconds, Condition condition, Distance distance)
      throws CommandFailure, InterruptedException {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    while (true) {
      check();
      if (met(condition)) {
        return;
      }
      if (System.nanoTime() > until) {
        throw new CommandFailure(
            otherwise + reasons(), "try again when the machine has less to do");
      }
      tell(distance.text());
      Thread.sleep(POLL_MILLIS);
    }
  }

  private static boolean met(Condition condition) throws CommandFailure {
    try {
      return condition.met();
    } catch (IOException e) {
      throw CommandFailure.of("", e, "try again");
    }
  }

  /**
   * Looks once.
   *
   * @throws CommandFailure when the VM was protected and is no more, or a side has ended
   */
  void check() throws CommandFailure {
    if (!primary.process().isAlive()) {
      throw lost("the primary has ended");
    }
    String state = state().orElse("");
    wasProtected |= state.equals(PROTECTED);
    if (wasProtected && !state.equals(PROTECTED)) {
      throw lost(state.isEmpty() ? "the primary does not answer" : "the primary is " + state);
    }
    if (!backup.process().isAlive()) {
      throw lost("the backup has ended");
    }
  }

  private CommandFailure lost(String what) {
    return new CommandFailure(
        (wasProtected ? "protection was lost before the kill" : "the VM was never protected")
            + ": "
            + what
            + reasons(),
        "nothing was killed; a longer --failure-timeout helps on a busy machine");
  }

  /** The last line that each side has said. */
  private String reasons() {
    return lastLine("primary", primary) + lastLine("backup", backup);
  }

  private static String lastLine(String role, PairSide side) {
    List<PairSide.Note> notes = side.notes();
    return notes.isEmpty() ? "" : ", the " + role + " said '" + notes.getLast().text() + "'";
  }

  private Optional<String> state() {
    return Optional.ofNullable(status().get("state")).map(String::valueOf);
  }

  private String transfer() {
    Object percent = status().get("transfer_percent");
    return percent == null ? "the primary waits for its backup" : "state copied: " + percent + "%";
  }

  /** What {@code lockstep status} shows; nothing while the primary is not there yet. */
  private Map<String, Object> status() {
    try (ControlClient client = ControlClient.connect(primaryName)) {
      return client.ask(Map.of("command", "status"));
    } catch (IOException e) {
      return Map.of();
    }
  }

  private void tell(String text) {
    long now = System.nanoTime();
    if (now - progressNanos >= PROGRESS_NANOS && !text.equals(told)) {
      progress.accept(text);
      progressNanos = now;
      told = text;
    }
  }
}
