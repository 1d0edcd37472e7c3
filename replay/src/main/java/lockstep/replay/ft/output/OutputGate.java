package lockstep.replay.ft.output;

import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import lockstep.monitor.block.DiskRequest;
import lockstep.monitor.block.WritePermit;
import lockstep.replay.ft.protocol.GateMode;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * The Output Rule (VM-FT, section 2.2): an output leaves when the backup has acknowledged the log
 * up to the operation that made it. The vCPU does not wait, unless very much is waiting here.
 *
 * <p>Console and disk have a line each: a console that nobody reads holds back console bytes, at
 * last the vCPU at its next one, and no disk request.
 *
 * <p>In {@link GateMode#GATED} an acknowledgement is not enough: the backup must also have
 * promised, in its last heartbeat, not to claim the disk before now. A host that was stopped and
 * wakes up long after the backup took over so finds its outputs held, before it knows anything.
 *
 * <p>Any thread.
 */
public final class OutputGate {
  /**
   * How many times a primary's capacity a side that follows holds: what waits at the primary, and
   * as much again that it is about to write or to tell of.
   */
  private static final int HOLDING_FACTOR = 2;

  /**
   * A moment of the guest.
   *
   * @param log which of this gate's logs was running
   * @param position entries in it, with all that led there
   */
  public record Point(long log, long position) {
    /** The first one at which the guest is known to have passed this one. */
    public Point next() {
      return new Point(log, position + 1);
    }
  }

  /** The vCPU never waits for room for a request: a guest has no more than these unanswered. */
  private final OutputLine disk;

  private final OutputLine console;
  private final Scheduler host;
  private final Lock lock;

  /** GateMode, lease or acknowledgements have changed. */
  private final Condition changed;

  private final OutputWaits waits = new OutputWaits();
  private GateMode mode;
  private long acknowledged;
  private long leaseUntilNanos;
  private long consoleReleased;
  private long releasedByOther;
  private boolean overfull;

  /** Logs that have begun. */
  private long logs;

  private volatile Runnable listener = () -> {};

  /**
   * @param capacity console bytes that wait at most before {@link #put} does
   * @param host whose clock leases are measured by
   */
  public OutputGate(GateMode mode, int capacity, Scheduler host) {
    this.mode = mode;
    this.host = host;
    this.lock = host.lock();
    this.changed = lock.newCondition();
    this.console = new OutputLine(capacity, lock.newCondition());
    this.disk = new OutputLine(DiskRequest.MAX_UNANSWERED, lock.newCondition());
  }

  /** Has somebody told whenever {@link #writes} may answer something else. Once, at the start. */
  public void onChange(Runnable told) {
    listener = told;
  }

  private OutputLine line(Output.Kind kind) {
    return switch (kind) {
      case CONSOLE -> console;
      case DISK -> disk;
    };
  }

  /**
   * Adds an output.
   *
   * @param position entries in the log, with all that made the output
   * @throws InterruptedException when told to end while waiting for room
   */
  public void put(Output output, long position) throws InterruptedException {
    put(output, nowNanos(), position);
  }

  /**
   * Adds an output that was made before: the log up to it had to be sent first.
   *
   * @param sinceNanos when the guest made it, see {@link #nowNanos}
   * @param position entries in the log, with all that made the output
   * @throws InterruptedException when told to end while waiting for room
   */
  public void put(Output output, long sinceNanos, long position) throws InterruptedException {
    OutputLine line = line(output.kind());
    lock.lock();
    try {
      while (line.held.size() >= line.capacity
          && mode != GateMode.HOLDING
          && mode != GateMode.DEAD) {
        line.changed.await();
      }
      if (mode == GateMode.HOLDING) {
        hold(new OutputLine.Held(output, position, sinceNanos));
      } else if (mode != GateMode.DEAD) {
        line.held.add(new OutputLine.Held(output, position, sinceNanos));
        // Not for one that has to wait: who takes it would be woken for nothing, and then again.
        if (mayLeave(line.held.element().position())) {
          line.changed.signalAll();
        }
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * A side that replays shows nothing here but the console. A request to the disk is of a guest
   * that has just gone live, before this gate has heard of it: lost, the guest would wait for ever.
   */
  private void hold(OutputLine.Held output) {
    boolean isConsole = output.output() instanceof Output.Console;
    if (isConsole && consoleReleased < releasedByOther) {
      consoleReleased++;
    } else if (isConsole && console.held.size() >= HOLDING_FACTOR * console.capacity) {
      overfull = true;
    } else {
      line(output.output().kind()).held.add(output);
    }
  }

  /**
   * Why this side, which follows, must not go live on what the other side has told it of console
   * bytes; empty when all is well. To be asked when the replay has taken all that came.
   */
  public Optional<String> complaint() {
    lock.lock();
    try {
      if (overfull) {
        return Optional.of(
            "the primary has not shown %d console bytes of its guest, more than can wait there"
                .formatted(HOLDING_FACTOR * console.capacity));
      }
      return mode == GateMode.HOLDING && releasedByOther > consoleReleased
          ? Optional.of(
              "the primary has shown %d console bytes, and its log makes %d"
                  .formatted(releasedByOther, consoleReleased))
          : Optional.empty();
    } finally {
      lock.unlock();
    }
  }

  /** Whether console bytes had to be dropped while following: more than a primary holds back. */
  public boolean isOverfull() {
    lock.lock();
    try {
      return overfull;
    } finally {
      lock.unlock();
    }
  }

  /** Wakes those that take from a line whose first output may leave now. */
  private void somethingMayLeave() {
    changed.signalAll();
    for (OutputLine line : new OutputLine[] {console, disk}) {
      OutputLine.Held first = line.held.peek();
      if (first != null && mayLeave(first.position())) {
        line.changed.signalAll();
      }
    }
  }

  /** The backup has so many entries. */
  public void acknowledged(long entries) {
    lock.lock();
    try {
      acknowledged = Math.max(acknowledged, entries);
      somethingMayLeave();
    } finally {
      lock.unlock();
    }
  }

  /** The backup does not claim the disk before then, by this gate's clock. */
  public void leaseUntil(long nanos) {
    lock.lock();
    try {
      if (nanos - leaseUntilNanos > 0) {
        leaseUntilNanos = nanos;
        somethingMayLeave();
      }
    } finally {
      lock.unlock();
    }
    listener.run();
  }

  /** Changes when outputs leave; {@link GateMode#DEAD} is for ever. */
  public void mode(GateMode newMode) {
    change(newMode);
    // Without the lock: who is told asks this gate, and has a lock of its own.
    listener.run();
  }

  private void change(GateMode newMode) {
    lock.lock();
    try {
      if (mode == GateMode.DEAD) {
        return;
      }
      if (newMode == GateMode.GATED && mode != GateMode.GATED) {
        // Run out as of now: the backup has promised nothing yet.
        leaseUntilNanos = host.steadyNanos();
      }
      mode = newMode;
      if (newMode == GateMode.DEAD) {
        clear();
      }
      changed.signalAll();
      console.changed.signalAll();
      disk.changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void clear() {
    console.held.clear();
    disk.held.clear();
  }

  /** A new log begins: positions and console bytes are counted from 0. Only when nothing waits. */
  public void restart() {
    lock.lock();
    try {
      logs++;
      acknowledged = 0;
      consoleReleased = 0;
      releasedByOther = 0;
      overfull = false;
    } finally {
      lock.unlock();
    }
  }

  /** This side begins to follow: what an earlier machine left here goes. */
  public void follow() {
    lock.lock();
    try {
      clear();
      restart();
      change(GateMode.HOLDING);
    } finally {
      lock.unlock();
    }
    listener.run();
  }

  /** When outputs leave. */
  public GateMode mode() {
    lock.lock();
    try {
      return mode;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Whether requests that change the disk, and have left, may reach it now: what is on its way when
   * this side no longer is the VM must not come after what the other side writes.
   */
  public WritePermit.Answer writes() {
    lock.lock();
    try {
      return switch (mode) {
        case FREE -> WritePermit.Answer.START;
        case GATED -> hasLease() ? WritePermit.Answer.START : WritePermit.Answer.HOLD;
        case CLOSED, HOLDING -> WritePermit.Answer.HOLD;
        case DEAD -> WritePermit.Answer.DROP;
      };
    } finally {
      lock.unlock();
    }
  }

  /**
   * The next output of a kind that may leave, which counts as released; null if there is none now.
   */
  public @Nullable Output poll(Output.Kind kind) {
    OutputLine line = line(kind);
    lock.lock();
    try {
      OutputLine.Held first = line.held.peek();
      if (first == null || !mayLeave(first.position())) {
        return null;
      }
      line.held.remove();
      if (mode == GateMode.GATED) {
        waits.add(host.nanoTime() - first.sinceNanos());
      }
      line.taken++;
      if (first.output() instanceof Output.Console) {
        consoleReleased++;
      }
      line.changed.signalAll();
      return first.output();
    } finally {
      lock.unlock();
    }
  }

  private boolean mayLeave(long position) {
    return switch (mode) {
      case FREE -> true;
      case GATED -> position <= acknowledged && hasLease();
      case CLOSED, HOLDING, DEAD -> false;
    };
  }

  private boolean hasLease() {
    return host.steadyNanos() - leaseUntilNanos < 0;
  }

  /** Whether an output at this position of the log might leave now, were it alone. */
  public boolean lets(long position) {
    lock.lock();
    try {
      return mayLeave(position);
    } finally {
      lock.unlock();
    }
  }

  /**
   * Waits until an output of a kind may leave.
   *
   * @param nanos at most about so long
   * @return the output, or null when none may leave yet
   */
  public @Nullable Output await(Output.Kind kind, long nanos) throws InterruptedException {
    OutputLine line = line(kind);
    lock.lock();
    try {
      long untilNanos = host.nanoTime() + nanos;
      while (true) {
        Output next = poll(kind);
        long left = untilNanos - host.nanoTime();
        if (next != null || left <= 0) {
          return next;
        }
        long unused = line.changed.awaitNanos(left);
      }
    } finally {
      lock.unlock();
    }
  }

  /** This moment, of which the present log has {@code position} entries. vCPU thread. */
  public Point point(long position) {
    lock.lock();
    try {
      return new Point(logs, position);
    } finally {
      lock.unlock();
    }
  }

  /**
   * Waits until what the guest was at some moment can no longer be undone: what shows it may leave
   * like an output of that moment.
   *
   * @param nanos at most about so long
   * @return false when this side has lost, or nobody knows yet
   */
  public boolean awaitKept(Point point, long nanos) throws InterruptedException {
    lock.lock();
    try {
      long untilNanos = host.nanoTime() + nanos;
      while (mode != GateMode.DEAD && mode != GateMode.HOLDING) {
        // Between two logs this side was the VM alone, by decision.
        if (mayLeave(point.log() == logs ? point.position() : 0)) {
          return true;
        }
        long left = untilNanos - host.nanoTime();
        if (left <= 0) {
          return false;
        }
        long unused = changed.awaitNanos(left);
      }
      return false;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Drops what the other side has let out.
   *
   * @param consoleBytes of the guest's console since the log began
   */
  public void forget(long consoleBytes) {
    lock.lock();
    try {
      releasedByOther = Math.max(releasedByOther, consoleBytes);
      while (mode == GateMode.HOLDING
          && consoleReleased < releasedByOther
          && console.held.poll() != null) {
        consoleReleased++;
      }
    } finally {
      lock.unlock();
    }
  }

  /** Console bytes that have left, or were let out by the other side. */
  public long consoleReleased() {
    lock.lock();
    try {
      return consoleReleased;
    } finally {
      lock.unlock();
    }
  }

  /** The log position that the first waiting console byte needs; 0 when none waits. */
  public long headPosition() {
    lock.lock();
    try {
      OutputLine.Held first = console.held.peek();
      return first == null ? 0 : first.position();
    } finally {
      lock.unlock();
    }
  }

  /** Whether the vCPU waits for room at its next output. */
  public boolean isFull() {
    lock.lock();
    try {
      return console.held.size() >= console.capacity
          && mode != GateMode.HOLDING
          && mode != GateMode.DEAD;
    } finally {
      lock.unlock();
    }
  }

  /** This gate's clock. */
  public long nowNanos() {
    return host.nanoTime();
  }

  /** How long outputs waited for the backup. */
  public OutputWaits waits() {
    return waits;
  }

  /** How many outputs of a kind {@link #poll} has given out, in all. */
  public long taken(Output.Kind kind) {
    lock.lock();
    try {
      return line(kind).taken;
    } finally {
      lock.unlock();
    }
  }

  /** How many outputs wait. */
  public int waiting() {
    return waiting(Output.Kind.CONSOLE) + waiting(Output.Kind.DISK);
  }

  /** How many outputs of a kind wait. */
  public int waiting(Output.Kind kind) {
    lock.lock();
    try {
      return line(kind).held.size();
    } finally {
      lock.unlock();
    }
  }
}
