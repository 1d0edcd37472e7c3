package lockstep.replay.ft.output;

import java.util.ArrayDeque;
import java.util.concurrent.locks.Condition;

/** Outputs of one kind that wait in an {@link OutputGate}, oldest first. Under the gate's lock. */
final class OutputLine {
  /**
   * One of them.
   *
   * @param position entries in the log, with all that made it
   * @param sinceNanos when the guest made it
   */
  record Held(Output output, long position, long sinceNanos) {}

  final ArrayDeque<Held> held = new ArrayDeque<>();
  final int capacity;

  /**
   * Something has changed for the threads that take from it or wait for room. Not one for all
   * lines: of each acknowledgement every thread that waits would be woken.
   */
  final Condition changed;

  /** How many were given out, in all. */
  long taken;

  OutputLine(int capacity, Condition changed) {
    this.capacity = capacity;
    this.changed = changed;
  }
}
