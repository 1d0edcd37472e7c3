package lockstep.replay.ft.primary;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import lockstep.monitor.MachineCopy;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.snapshot.Packing;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.vcpu.VcpuTask;
import lockstep.replay.log.EntryFramer;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.Recorder;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * Primary: brings the running machine's state to a backup (pre-copy; VM-FT, section 2.3, does the
 * same with VMotion), and begins the log where the state ends. Its memory goes from a thread of its
 * own; only what was written in the last moments goes while the guest stands.
 */
public final class StateTransfer {
  /** What is left of the memory when the guest is stopped: some milliseconds' worth. */
  private static final long SMALL_BYTES = 1 << 19;

  /**
   * Below the reader's bound, and beyond what helps a guest that writes as fast as it is copied.
   */
  private static final int MAX_ROUNDS = 30;

  /** A round that leaves more than this part of the one before is not worth another. */
  private static final double SHRINKS = 0.9;

  /** How it ended. */
  public sealed interface Outcome {}

  /** The pair is not formed. */
  public record Failed(String reason) implements Outcome {}

  /**
   * How it went.
   *
   * @param rounds with the guest running
   * @param memoryBytes of the guest
   * @param sentBytes through the channel
   * @param nanos from beginning to end
   * @param stoodNanos of that the guest stood still
   */
  public record Report(int rounds, long memoryBytes, long sentBytes, long nanos, long stoodNanos)
      implements Outcome {
    @Override
    public String toString() {
      return "state of %d MiB copied in %d rounds, %d ms, %d KiB sent; the guest stood for %.1f ms"
          .formatted(
              memoryBytes >> 20, rounds, nanos / 1_000_000, sentBytes >> 10, stoodNanos / 1e6);
    }
  }

  /** The running machine and where its inputs come from. */
  record Source(VirtualMachine machine, HostInputs inputs) {}

  private final Scheduler host;
  private final VirtualMachine machine;
  private final HostInputs inputs;
  private final LogStream stream;
  private final EntryFramer framer;
  private final RecordOptions options;
  private final StateReplication owner;
  private final VcpuTask.Taker vcpu;
  private final OutputStream out;
  private final Thread thread;
  private final long startNanos;
  private volatile boolean abandoned;
  private @Nullable MachineCopy copy;

  /** One for a stream that nothing was written to; {@link #start} begins. */
  StateTransfer(
      Scheduler host,
      Source source,
      LogStream stream,
      RecordOptions options,
      StateReplication owner,
      VcpuTask.Taker vcpu) {
    this.host = host;
    this.startNanos = host.nanoTime();
    this.machine = source.machine();
    this.inputs = source.inputs();
    this.stream = stream;
    this.framer = new EntryFramer(stream);
    this.options = options;
    this.owner = owner;
    this.vcpu = vcpu;
    this.out = output();
    this.thread = host.thread("state", false, this::run);
  }

  /** On the vCPU thread. */
  void start() throws Exception {
    copy = machine.copy(out, Packing.whereFaster(host::nanoTime));
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

  private void run() {
    try {
      owner.copied(transfer(copy()));
    } catch (InterruptedException | java.io.InterruptedIOException e) {
      // Abandoned; whoever did it knows why.
    } catch (Exception e) {
      if (!stream.isCut()) {
        owner.copied(new Failed("the state was not copied: " + e.getMessage()));
      }
      vcpu.ask(this::closeCopy);
    }
  }

  private Report transfer(MachineCopy from) throws Exception {
    from.first(owner::progress);
    int rounds = 1;
    long before = Long.MAX_VALUE;
    long left = onVcpu(from::collect);
    while (left > SMALL_BYTES && rounds < MAX_ROUNDS && left < before * SHRINKS) {
      from.next();
      rounds++;
      before = left;
      left = onVcpu(from::collect);
    }
    owner.beforePause();
    long stood = onVcpu(() -> finish(from));
    long sent = stream.sentBytes();
    return new Report(
        rounds,
        machine.position().machine().memoryBytes(),
        sent,
        host.nanoTime() - startNanos,
        stood);
  }

  /** The guest stands: the rest, and from here on the log. Returns how long it stood, ns. */
  private long finish(MachineCopy from) throws Exception {
    long stopNanos = host.nanoTime();
    owner.paused(stream);
    long clockNanos = inputs.nowNanos();
    PrimaryLog entries = new PrimaryLog(framer);
    Recorder recorder = new Recorder(inputs, clockNanos, entries, framer::flush, options);
    Optional<RunResult> ended = from.finish(new SavedInputs(clockNanos, List.of()));
    if (ended.isPresent()) {
      throw new IOException("the guest has ended");
    }
    out.flush();
    owner.logBegins(recorder, entries);
    closeCopy();
    return host.nanoTime() - stopNanos;
  }

  private MachineCopy copy() {
    MachineCopy present = copy;
    if (present == null) {
      throw new IllegalStateException("not started");
    }
    return present;
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
    MachineCopy present = copy;
    copy = null;
    if (present != null) {
      present.close();
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
