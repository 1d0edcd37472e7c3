package lockstep.replay.ft.output;

import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import lockstep.monitor.output.DiskSink;
import lockstep.replay.ft.protocol.VitalSign;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * Carries what the {@link OutputGate} lets out to the world: thread {@code console-gate} the
 * console bytes, thread {@code disk-gate} the disk requests, so that a console that nobody reads
 * holds up no disk. Console bytes count as released when the stream has taken them, not before:
 * what a crash could still lose is what the backup shows again.
 */
public final class OutputPump implements AutoCloseable {
  private static final long WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final long CLOSE_MILLIS = 2_000;
  private static final int BATCH_BYTES = 1 << 12;

  private final Scheduler host;
  private final OutputGate gate;
  private final OutputStream console;
  private final DiskSink disk;
  private final LongConsumer released;
  private final Consumer<String> notes;
  private final Line consoleLine;
  private final Line diskLine;
  private volatile boolean closed;

  // The thread console-gate's.
  private final byte[] batch = new byte[BATCH_BYTES];
  private int length;
  private boolean broken;

  /** The console takes as long as it likes: it may be a terminal that is not read. */
  private volatile boolean writing;

  /** One kind of outputs and the thread that carries them. */
  private final class Line implements VitalSign {
    private final Output.Kind kind;
    private final Thread thread;

    /** Rounds of the thread; written by it alone. */
    private final AtomicLong rounds = new AtomicLong();

    /** Outputs that have left. */
    private volatile long done;

    Line(Output.Kind kind, String name) {
      this.kind = kind;
      this.thread = host.thread(name, true, this::run);
    }

    private void run() {
      boolean unused = host.nice(VitalSign.NICE);
      try {
        while (!closed) {
          rounds.lazySet(rounds.getPlain() + 1);
          Output first = gate.await(kind, WAIT_NANOS);
          if (first != null) {
            carry(first);
          }
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    private void carry(Output first) {
      @Nullable Output next = first;
      long taken = done;
      while (next != null) {
        taken++;
        switch (next) {
          case Output.Console character -> {
            batch[length++] = (byte) character.value();
            if (length == batch.length) {
              write();
            }
          }
          case Output.Disk asked -> disk.request(asked.disk(), asked.request());
        }
        next = gate.poll(kind);
      }
      if (kind == Output.Kind.CONSOLE) {
        write();
      }
      done = taken;
    }

    @Override
    public String name() {
      return "thread " + thread.getName();
    }

    @Override
    public long moves() {
      return rounds.get();
    }

    @Override
    public boolean mayStand() {
      return closed || (kind == Output.Kind.CONSOLE && writing);
    }

    @Override
    public boolean waitsForPeer() {
      return false;
    }

    @Override
    public void nudge() {
      // It comes by ten times a second.
    }

    boolean isDrained() {
      return gate.waiting(kind) == 0 && done == gate.taken(kind);
    }
  }

  /**
   * Starts the threads.
   *
   * @param released told how many console bytes the world has seen, in all
   */
  public OutputPump(
      Scheduler host,
      OutputGate gate,
      OutputStream console,
      DiskSink disk,
      LongConsumer released,
      Consumer<String> notes) {
    this.host = host;
    this.gate = gate;
    this.console = console;
    this.disk = disk;
    this.released = released;
    this.notes = notes;
    this.consoleLine = new Line(Output.Kind.CONSOLE, "console-gate");
    this.diskLine = new Line(Output.Kind.DISK, "disk-gate");
    consoleLine.thread.start();
    diskLine.thread.start();
  }

  private void write() {
    if (length == 0) {
      return;
    }
    writing = true;
    try {
      if (!broken) {
        console.write(batch, 0, length);
        console.flush();
      }
    } catch (IOException e) {
      // A guest that others depend on does not die of a terminal that went away.
      broken = true;
      notes.accept("console output is discarded from here on: " + e.getMessage());
    } finally {
      writing = false;
    }
    length = 0;
    released.accept(gate.consoleReleased());
  }

  /** Whether the threads do their work. */
  public List<VitalSign> signs() {
    return List.of(consoleLine, diskLine);
  }

  /** How many outputs have left, in all. */
  public long done() {
    return consoleLine.done + diskLine.done;
  }

  /** Whether all that the guest showed and wrote has left, or never will. */
  public boolean isDrained() {
    return consoleLine.isDrained() && diskLine.isDrained();
  }

  @Override
  public void close() {
    closed = true;
    consoleLine.thread.interrupt();
    diskLine.thread.interrupt();
    try {
      consoleLine.thread.join(CLOSE_MILLIS);
      diskLine.thread.join(CLOSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
