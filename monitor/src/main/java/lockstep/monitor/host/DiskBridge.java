package lockstep.monitor.host;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.output.DiskSink;
import lockstep.monitor.state.Bytes;

/**
 * Carries the guest's disk requests to a medium and their completions to the vCPU thread. It has no
 * thread: requests arrive on {@code vcpu-0}, which is never held up; completions on the medium's
 * threads, which wait while the input queue is full. What the medium has no room for waits here;
 * the disk device bounds how much that can be.
 */
public final class DiskBridge implements DiskSink, AutoCloseable {
  /** How long to wait when the input queue is full: 1,024 inputs take longer than this. */
  private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  /** Takes an input unless it is full; {@code InputQueue::offer}. */
  @FunctionalInterface
  public interface Inbox {
    /** Returns false when the input must be offered again later. */
    boolean offer(ExternalInput input);
  }

  private final BlockDevice medium;
  private final Inbox inbox;
  private final ConcurrentLinkedQueue<BlockRequest> waiting = new ConcurrentLinkedQueue<>();
  private final Semaphore free;
  private volatile boolean closed;

  /** The medium stays its owner's, who closes it after this. */
  public DiskBridge(BlockDevice medium, Inbox inbox) {
    this.medium = medium;
    this.inbox = inbox;
    this.free = new Semaphore(medium.depth());
  }

  @Override
  public void request(BlockRequest request) {
    waiting.add(request);
    submitWaiting();
  }

  /** Any thread. Whoever frees a place or adds a request looks again, so none is left behind. */
  private void submitWaiting() {
    while (!waiting.isEmpty() && free.tryAcquire()) {
      BlockRequest request = waiting.poll();
      if (request == null) {
        free.release();
      } else {
        submit(request);
      }
    }
  }

  private void submit(BlockRequest request) {
    try {
      medium.submit(request, this::completed);
    } catch (IllegalStateException | IllegalArgumentException e) {
      // A medium that refuses for good: the guest gets an error, as from a broken disk.
      completed(new BlockResult.Failed(request.id(), String.valueOf(e.getMessage())));
    }
  }

  private void completed(BlockResult result) {
    handOver(
        switch (result) {
          case BlockResult.Done done ->
              // An input is for ever: it may be logged, held back, or saved with the machine.
              new DiskCompletion(done.id(), DiskStatus.DONE, done.data().bytes());
          case BlockResult.Failed failed ->
              new DiskCompletion(failed.id(), DiskStatus.FAILED, reason(failed.reason()));
          case BlockResult.Fenced fenced ->
              new DiskCompletion(fenced.id(), DiskStatus.FENCED, reason(fenced.reason()));
        });
    free.release();
    submitWaiting();
  }

  private static Bytes reason(String text) {
    byte[] utf8 = text.getBytes(UTF_8);
    return Bytes.copyOf(
        Arrays.copyOf(utf8, Math.min(utf8.length, DiskCompletion.MAX_REASON_BYTES)));
  }

  private void handOver(DiskCompletion completion) {
    while (!closed && !inbox.offer(completion)) {
      LockSupport.parkNanos(this, RETRY_NANOS);
    }
  }

  /** Requests that wait are dropped, and completions from now on lost. Any thread. */
  @Override
  public void close() {
    closed = true;
    waiting.clear();
  }
}
