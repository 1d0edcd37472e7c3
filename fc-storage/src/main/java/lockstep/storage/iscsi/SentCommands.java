package lockstep.storage.iscsi;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Commands of a session that its connection has and the unit has not answered, each in a slot,
 * which is also that of its buffer. Belongs to the session's thread.
 */
final class SentCommands {
  private final @Nullable ScsiCommand[] slots;
  private int count;

  /** None yet. */
  SentCommands(int room) {
    slots = new ScsiCommand[room];
  }

  boolean isEmpty() {
    return count == 0;
  }

  boolean isFull() {
    return count == slots.length;
  }

  /** Takes one in; returns its slot. */
  int add(ScsiCommand command) {
    for (int slot = 0; slot < slots.length; slot++) {
      if (slots[slot] == null) {
        slots[slot] = command;
        count++;
        return slot;
      }
    }
    throw new IllegalStateException(count + " commands in flight, and no free slot");
  }

  /** The one in a slot. */
  ScsiCommand at(int slot) {
    ScsiCommand command = slots[slot];
    if (command == null) {
      throw new IllegalStateException("an answer without a command, in slot " + slot);
    }
    return command;
  }

  /** It has been answered. */
  void free(int slot) {
    slots[slot] = null;
    count--;
  }

  /** All of them, in any order. */
  List<ScsiCommand> all() {
    List<ScsiCommand> all = new ArrayList<>();
    for (ScsiCommand one : slots) {
      if (one != null) {
        all.add(one);
      }
    }
    return all;
  }

  /** All of them, and none is here any more. */
  List<ScsiCommand> takeAll() {
    List<ScsiCommand> all = all();
    java.util.Arrays.fill(slots, null);
    count = 0;
    return all;
  }

  /** Whether each of them may still reach the disk. */
  boolean mayBeSent() {
    for (ScsiCommand one : slots) {
      if (one != null && !one.maySend()) {
        return false;
      }
    }
    return true;
  }
}
