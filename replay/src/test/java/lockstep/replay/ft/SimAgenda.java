package lockstep.replay.ft;

import java.util.Arrays;

/**
 * What is to happen when, soonest first, and of one moment what was asked for first. Most timers
 * are cancelled long before their time, so that they leave at once: a binary heap whose members
 * know where they are.
 */
final class SimAgenda {
  /** Something that happens at a time; nothing, once cancelled. */
  final class Due {
    final long nanos;
    private final long order;
    private final Runnable work;
    private int place;

    private Due(long nanos, long order, Runnable work) {
      this.nanos = nanos;
      this.order = order;
      this.work = work;
    }

    void cancel() {
      if (place >= 0) {
        remove(this);
      }
    }

    private boolean isBefore(Due other) {
      return nanos != other.nanos ? nanos < other.nanos : order < other.order;
    }
  }

  private Due[] heap = new Due[64];
  private int size;
  private long order;

  /** When the next thing happens; {@link Long#MAX_VALUE} if nothing does. */
  long nextNanos() {
    return size == 0 ? Long.MAX_VALUE : heap[0].nanos;
  }

  Due add(long nanos, Runnable work) {
    Due due = new Due(nanos, order++, work);
    if (size == heap.length) {
      heap = Arrays.copyOf(heap, 2 * size);
    }
    rise(due, size++);
    return due;
  }

  /** Takes the first one off and does it. */
  void runNext() {
    Due due = heap[0];
    remove(due);
    due.work.run();
  }

  private void remove(Due due) {
    int hole = due.place;
    due.place = -1;
    Due last = heap[--size];
    // The place behind the last one keeps it from being collected, until it is used again.
    if (last != due) {
      sink(last, hole);
      rise(last, last.place);
    }
  }

  private void rise(Due due, int from) {
    int place = from;
    while (place > 0) {
      Due parent = heap[(place - 1) >>> 1];
      if (parent.isBefore(due)) {
        break;
      }
      put(parent, place);
      place = (place - 1) >>> 1;
    }
    put(due, place);
  }

  private void sink(Due due, int from) {
    int place = from;
    int child = 2 * place + 1;
    while (child < size) {
      if (child + 1 < size && heap[child + 1].isBefore(heap[child])) {
        child++;
      }
      if (due.isBefore(heap[child])) {
        break;
      }
      put(heap[child], place);
      place = child;
      child = 2 * place + 1;
    }
    put(due, place);
  }

  private void put(Due due, int place) {
    heap[place] = due;
    due.place = place;
  }
}
