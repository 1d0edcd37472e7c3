package lockstep.replay.ft;

import java.io.BufferedOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import lockstep.monitor.Machine;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.StateCopy;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.snapshot.Packing;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.log.EntryFramer;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.Recorder;
import org.jspecify.annotations.Nullable;

/**
 * Primary: brings the running machine's state to a backup (pre-copy; VM-FT, section 2.3, does the
 * same with VMotion), and begins the log where the state ends. Its memory goes from a thread of its
 * own; only what was written in the last moments goes while the guest stands.
 */
public final class StateTransfer {
  private static final int BUFFER_BYTES = 1 << 18;

  /** What is left of the memory when the guest is stopped: some milliseconds' worth. */
  private static final long SMALL_BYTES = 1 << 19;

  /**
   * Below the reader's bound, and beyond what helps a guest that writes as fast as it is copied.
   */
  private static final int MAX_ROUNDS = 30;

  /** A round that leaves more than this part of the one before is not worth another. */
  private static final double SHRINKS = 0.9;

  /** Where the log goes on. vCPU thread. */
  record Log(Recorder recorder, PrimaryLog entries) {}

  /**
   * How it went.
   *
   * @param rounds with the guest running
   * @param memoryBytes of the guest
   * @param sentBytes through the channel
   * @param nanos from beginning to end
   * @param stoodNanos of that the guest stood still
   */
  public record Report(int rounds, long memoryBytes, long sentBytes, long nanos, long stoodNanos) {
    @Override
    public String toString() {
      return "state of %d MiB copied in %d rounds, %d ms, %d KiB sent; the guest stood for %.1f ms"
          .formatted(
              memoryBytes >> 20, rounds, nanos / 1_000_000, sentBytes >> 10, stoodNanos / 1e6);
    }
  }

  private final Machine machine;
  private final HostInputs inputs;
  private final LogStream stream;
  private final EntryFramer framer;
  private final RecordOptions options;
  private final Optional<Recorder> earlier;
  private final Callable<?> atStop;
  private final VcpuTask.Taker vcpu;
  private final Consumer<Log> begun;
  private final Consumer<Report> done;
  private final OutputStream out;
  private final Thread thread;
  private final long startNanos = System.nanoTime();
  private volatile boolean abandoned;
  private @Nullable StateCopy copy;

  /**
   * Begins; vCPU thread.
   *
   * @param earlier who recorded the same machine before, and may hold inputs
   * @param atStop what is to be done when the guest stands, before the log begins
   * @param begun hears, while the guest stands, that the log has begun
   * @param failed hears that there will be none
   */
  StateTransfer(
      Machine machine,
      HostInputs inputs,
      LogStream stream,
      RecordOptions options,
      Optional<Recorder> earlier,
      Callable<?> atStop,
      VcpuTask.Taker vcpu,
      Consumer<Log> begun,
      Consumer<Report> done,
      Consumer<String> failed) {
    this.machine = machine;
    this.inputs = inputs;
    this.stream = stream;
    this.framer = new EntryFramer(stream);
    this.options = options;
    this.earlier = earlier;
    this.atStop = atStop;
    this.vcpu = vcpu;
    this.begun = begun;
    this.done = done;
    this.out = new BufferedOutputStream(output(), BUFFER_BYTES);
    this.thread = Thread.ofPlatform().name("state").unstarted(() -> run(failed));
  }

  /** On the vCPU thread. */
  void start() throws Exception {
    copy = machine.copy(out, Packing.whereFaster(System::nanoTime));
    thread.start();
  }

  /** So that nobody compresses gigabytes for a backup that is gone. */
  private OutputStream output() {
    OutputStream state = framer.stateStream();
    return new FilterOutputStream(state) {
      @Override
      public void write(byte[] from, int offset, int count) throws IOException {
        if (stream.isCut()) {
          throw new IOException("the pair is over");
        }
        state.write(from, offset, count);
      }
    };
  }

  private void run(Consumer<String> failed) {
    try {
      Report report = transfer(copy());
      done.accept(report);
    } catch (InterruptedException | java.io.InterruptedIOException e) {
      // Abandoned; whoever did it knows why.
    } catch (Exception e) {
      if (!stream.isCut()) {
        failed.accept("the state was not copied: " + e.getMessage());
      }
      vcpu.ask(this::closeCopy);
    }
  }

  private Report transfer(StateCopy from) throws Exception {
    from.first((doneBytes, total) -> {});
    int rounds = 1;
    long before = Long.MAX_VALUE;
    long left = onVcpu(from::collect);
    while (left > SMALL_BYTES && rounds < MAX_ROUNDS && left < before * SHRINKS) {
      from.next();
      rounds++;
      before = left;
      left = onVcpu(from::collect);
    }
    long stood = onVcpu(() -> finish(from));
    long sent = stream.sentBytes();
    return new Report(
        rounds,
        machine.origin().config().memoryBytes(),
        sent,
        System.nanoTime() - startNanos,
        stood);
  }

  /** The guest stands: the rest, and from here on the log. Returns how long it stood, ns. */
  private long finish(StateCopy from) throws Exception {
    long stopNanos = System.nanoTime();
    atStop.call();
    long now = inputs.nowNanos();
    PrimaryLog entries = new PrimaryLog(framer);
    Recorder recorder = new Recorder(inputs, now, entries, framer::flush, options);
    earlier.ifPresent(recorder::goOnFrom);
    Optional<RunResult> ended = from.finish(new SavedInputs(now, List.of()));
    if (ended.isPresent()) {
      throw new IOException("the guest has ended");
    }
    out.flush();
    begun.accept(new Log(recorder, entries));
    closeCopy();
    return System.nanoTime() - stopNanos;
  }

  private StateCopy copy() {
    StateCopy now = copy;
    if (now == null) {
      throw new IllegalStateException("not started");
    }
    return now;
  }

  /** Has something done on the vCPU thread and waits for it. */
  private <T> T onVcpu(Callable<T> work) throws Exception {
    CompletableFuture<T> result = new CompletableFuture<>();
    vcpu.ask(
        () -> {
          try {
            if (!abandoned) {
              result.complete(work.call());
            }
          } catch (Exception e) {
            result.completeExceptionally(e);
          }
        });
    try {
      return result.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof Exception cause ? cause : e;
    }
  }

  /** vCPU thread. */
  private void closeCopy() throws Exception {
    StateCopy now = copy;
    copy = null;
    if (now != null) {
      now.close();
    }
  }

  /** Ends it, if it has not ended; afterwards nobody reads the machine's memory. vCPU thread. */
  void abandon() throws Exception {
    abandoned = true;
    thread.interrupt();
    thread.join();
    closeCopy();
  }
}
