package lockstep.monitor.host;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Iterator;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.state.Bytes;
import org.jspecify.annotations.Nullable;

/**
 * Carries the guest's disk requests to a medium and their completions to the vCPU thread. It has no
 * thread: requests arrive on {@code vcpu-0} or a thread of the output gate, neither of which is
 * ever held up; completions on the medium's threads, which wait while the input queue is full. What
 * the medium has no room for waits here, and so does a write while the {@link WritePermit} holds
 * it; reads pass held writes.
 */
public final class DiskBridge implements AutoCloseable {
  /** How long to wait when the input queue is full: 1,024 inputs take longer than this. */
  private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  /** Of a flush that no guest asked for. */
  private static final long FLUSH_ID = -1;

  /** Takes an input unless it is full; {@code InputQueue::offer}. */
  @FunctionalInterface
  public interface Inbox {
    /** Returns false when the input must be offered again later. */
    boolean offer(ExternalInput input);
  }

  private final int disk;
  private final BlockDevice medium;
  private final Inbox inbox;
  private final WritePermit permit;
  private volatile boolean closed;

  /** No monitor: the permit, which is asked under it, may wait for the output gate's lock. */
  private final ReentrantLock lock = new ReentrantLock();

  /** What the medium has not been given yet, oldest first. Guarded by {@link #lock}. */
  private final ArrayDeque<BlockRequest> waiting = new ArrayDeque<>();

  /** Requests that the medium has. Guarded by {@link #lock}. */
  private int inFlight;

  /** A bridge to a medium that nobody else writes to. */
  public DiskBridge(int disk, BlockDevice medium, Inbox inbox) {
    this(disk, medium, inbox, WritePermit.ALWAYS);
  }

  /**
   * The medium stays its owner's, who closes it after this.
   *
   * @param disk which of the machine's disks it carries the requests of
   * @param permit asked here and, right before each system call, by the medium; whoever changes its
   *     answer calls {@link #permitChanged}
   */
  public DiskBridge(int disk, BlockDevice medium, Inbox inbox, WritePermit permit) {
    this.disk = disk;
    this.medium = medium;
    this.inbox = inbox;
    this.permit = permit;
    medium.permit(permit);
  }

  /** Takes a request to it. */
  public void request(BlockRequest request) {
    lock.lock();
    try {
      if (waiting.size() >= BlockRequest.MAX_UNANSWERED) {
        throw new IllegalStateException(
            "%d disk requests wait, and a guest may have asked %d"
                .formatted(waiting.size() + 1, BlockRequest.MAX_UNANSWERED));
      }
      waiting.add(request);
    } finally {
      lock.unlock();
    }
    submitWaiting();
  }

  /** The permit's answer may be another one now. Any thread. */
  public void permitChanged() {
    submitWaiting();
  }

  /**
   * Brings every completed write onto the medium, and waits for it; not on a thread of the medium.
   *
   * @param limitNanos how long at most
   * @throws IOException when that fails, or takes longer; one line
   */
  public void flush(long limitNanos) throws IOException, InterruptedException {
    CompletableFuture<BlockResult> done = new CompletableFuture<>();
    lock.lock();
    try {
      if (inFlight == medium.depth()) {
        throw new IOException(inFlight + " requests are in flight");
      }
      inFlight++;
    } finally {
      lock.unlock();
    }
    try {
      medium.submit(new BlockRequest.Flush(FLUSH_ID), done::complete);
      switch (done.get(limitNanos, TimeUnit.NANOSECONDS)) {
        case BlockResult.Done _ -> {
          // As it should be.
        }
        case BlockResult.Failed failed -> throw new IOException(failed.reason());
        case BlockResult.Fenced fenced -> throw new IOException(fenced.reason());
        case BlockResult.NotStarted _ ->
            throw new IOException("this side may not write to the disk now");
      }
    } catch (IllegalStateException | ExecutionException e) {
      throw new IOException(String.valueOf(e.getMessage()), e);
    } catch (TimeoutException e) {
      throw new IOException(
          "no answer within %d s".formatted(TimeUnit.NANOSECONDS.toSeconds(limitNanos)), e);
    } finally {
      lock.lock();
      try {
        inFlight--;
      } finally {
        lock.unlock();
      }
      submitWaiting();
    }
  }

  /**
   * Drops what this host remembers of the medium.
   *
   * @throws IOException as the medium does
   */
  public void dropCache() throws IOException {
    medium.dropCache();
  }

  /** Requests that the medium has not been given. */
  public int waiting() {
    lock.lock();
    try {
      return waiting.size();
    } finally {
      lock.unlock();
    }
  }

  /** Any thread. Whoever frees a place or adds a request looks again, so none is left behind. */
  private void submitWaiting() {
    BlockRequest next = take();
    while (next != null) {
      submit(next);
      next = take();
    }
  }

  /** The oldest request that the medium may have now, counted as its own; null if there is none. */
  private @Nullable BlockRequest take() {
    lock.lock();
    try {
      if (inFlight == medium.depth() || waiting.isEmpty()) {
        return null;
      }
      WritePermit.Answer answer = permit.now();
      Iterator<BlockRequest> oldestFirst = waiting.iterator();
      while (oldestFirst.hasNext()) {
        BlockRequest request = oldestFirst.next();
        if (answer == WritePermit.Answer.START || !request.changes()) {
          oldestFirst.remove();
          inFlight++;
          return request;
        }
        if (answer == WritePermit.Answer.DROP) {
          oldestFirst.remove();
        }
      }
      return null;
    } finally {
      lock.unlock();
    }
  }

  private void submit(BlockRequest request) {
    try {
      medium.submit(request, result -> completed(request, result));
    } catch (IllegalStateException | IllegalArgumentException e) {
      // A medium that refuses for good: the guest gets an error, as from a broken disk.
      completed(request, new BlockResult.Failed(request.id(), String.valueOf(e.getMessage())));
    }
  }

  private void completed(BlockRequest request, BlockResult result) {
    switch (result) {
      case BlockResult.Done done ->
          // An input is for ever: it may be logged, held back, or saved with the machine.
          handOver(new DiskCompletion(disk, done.id(), DiskStatus.DONE, done.data().bytes()));
      case BlockResult.Failed failed ->
          handOver(
              new DiskCompletion(disk, failed.id(), DiskStatus.FAILED, reason(failed.reason())));
      case BlockResult.Fenced fenced ->
          handOver(
              new DiskCompletion(disk, fenced.id(), DiskStatus.FENCED, reason(fenced.reason())));
      case BlockResult.NotStarted _ -> {
        lock.lock();
        try {
          if (!closed) {
            waiting.addFirst(request);
          }
        } finally {
          lock.unlock();
        }
      }
    }
    lock.lock();
    try {
      inFlight--;
    } finally {
      lock.unlock();
    }
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
    lock.lock();
    try {
      closed = true;
      waiting.clear();
    } finally {
      lock.unlock();
    }
  }
}
