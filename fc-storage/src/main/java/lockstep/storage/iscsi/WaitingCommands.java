package lockstep.storage.iscsi;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import lockstep.monitor.state.Bytes;
import lockstep.storage.scsi.ScsiReply;
import lockstep.storage.scsi.Sense;
import org.jspecify.annotations.Nullable;

/** Commands of a session that are not on their way, in the order of their first sending. */
final class WaitingCommands {
  private static final ScsiReply CONFLICT =
      new ScsiReply(ScsiReply.RESERVATION_CONFLICT, Sense.NONE, Bytes.empty());

  private final ArrayDeque<ScsiCommand> commands = new ArrayDeque<>();
  private long nextOrder;

  boolean isEmpty() {
    return commands.isEmpty();
  }

  void add(ScsiCommand command) {
    command.order = nextOrder++;
    commands.add(command);
  }

  /** Those that were on their way and are to be sent once more. */
  void addAgain(List<ScsiCommand> again) {
    again.sort(Comparator.comparingLong((ScsiCommand one) -> one.order).reversed());
    for (ScsiCommand one : again) {
      commands.addFirst(one);
    }
  }

  /**
   * Takes the next one out; null if there is none.
   *
   * @param held requests of a disk stay
   */
  @Nullable ScsiCommand next(boolean held) {
    for (Iterator<ScsiCommand> all = commands.iterator(); all.hasNext(); ) {
      ScsiCommand one = all.next();
      if (one.answered()) {
        all.remove();
      } else if (!held || !one.patient) {
        all.remove();
        return one;
      }
    }
    return null;
  }

  /** Whether a disk has requests here. */
  boolean hasRequests() {
    return commands.stream().anyMatch(one -> one.patient && !one.answered());
  }

  /** A disk's requests are answered as the unit would: another host has it. */
  void refuseRequests() {
    for (ScsiCommand one : List.copyOf(commands)) {
      if (one.patient) {
        one.replied(CONFLICT);
      }
    }
    commands.removeIf(ScsiCommand::answered);
  }

  /** A disk's requests have this much time from now on, at least. */
  void extendRequests(long untilNanos) {
    for (ScsiCommand one : commands) {
      if (one.patient && one.deadlineNanos - untilNanos < 0) {
        one.deadlineNanos = untilNanos;
      }
    }
  }

  /** Ends those that have waited for too long. */
  void expire(long nowNanos, String why) {
    for (ScsiCommand one : List.copyOf(commands)) {
      if (nowNanos - one.deadlineNanos > 0) {
        one.lost(new IOException(why));
      }
    }
    commands.removeIf(ScsiCommand::answered);
  }

  /** Ends all. */
  void lose(String why) {
    for (ScsiCommand one : List.copyOf(commands)) {
      one.lost(new IOException(why));
    }
    commands.clear();
  }
}
