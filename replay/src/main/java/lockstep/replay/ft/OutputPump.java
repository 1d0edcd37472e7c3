package lockstep.replay.ft;

import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import lockstep.monitor.output.DiskSink;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * Thread {@code output-gate}: carries what the {@link OutputGate} lets out to the world. Console
 * bytes count as released when the stream has taken them, not before: what a crash could still lose
 * is what the backup shows again.
 */
final class OutputPump implements AutoCloseable {
  private static final long WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final long CLOSE_MILLIS = 2_000;
  private static final int BATCH_BYTES = 1 << 12;

  private final Scheduler host;
  private final OutputGate gate;
  private final OutputStream console;
  private final DiskSink disk;
  private final LongConsumer released;
  private final Consumer<String> notes;
  private final byte[] batch = new byte[BATCH_BYTES];
  private final Thread thread;
  private int length;
  private boolean broken;

  /** Rounds of the thread; written by it alone. */
  private final AtomicLong rounds = new AtomicLong();

  /** The console takes as long as it likes: it may be a terminal that is not read. */
  private volatile boolean writing;

  /** Outputs that have left. */
  private volatile long done;

  private volatile boolean closed;

  /**
   * Starts the thread.
   *
   * @param released told how many console bytes the world has seen, in all
   */
  OutputPump(
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
    this.thread = host.thread("output-gate", true, this::run);
    thread.start();
  }

  private void run() {
    boolean unused = host.nice(FtNode.NICE);
    try {
      while (!closed) {
        rounds.lazySet(rounds.getPlain() + 1);
        Output first = gate.await(WAIT_NANOS);
        if (first != null) {
          batch(first);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Whether the thread does its work. */
  VitalSign sign() {
    return new VitalSign() {
      @Override
      public String name() {
        return "the output thread";
      }

      @Override
      public long moves() {
        return rounds.get();
      }

      @Override
      public boolean mayStand() {
        return writing || closed;
      }

      @Override
      public boolean waitsForPeer() {
        return false;
      }

      @Override
      public void nudge() {
        // It comes by ten times a second.
      }
    };
  }

  private void batch(Output first) {
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
        case Output.Disk request -> disk.request(request.request());
      }
      next = gate.poll();
    }
    write();
    done = taken;
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

  /** How many outputs have left, in all. */
  long done() {
    return done;
  }

  /** Whether all that the guest showed has left, or never will. */
  boolean isDrained() {
    return gate.waiting() == 0 && done == gate.taken();
  }

  @Override
  public void close() {
    closed = true;
    thread.interrupt();
    try {
      thread.join(CLOSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
