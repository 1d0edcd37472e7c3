package lockstep.monitor.input;

import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import lockstep.monitor.input.ExternalInput.HostDecision;
import org.jspecify.annotations.Nullable;

/**
 * The way for every other thread to hand an input to the vCPU thread: bounded, many writers, one
 * reader. A full queue refuses; the writer keeps its input and tries again, nothing is dropped.
 */
public final class InputQueue {
  /** Enough for a burst of packets and completions between two exits; 1,024 inputs at most. */
  public static final int CAPACITY = 1024;

  private final ConcurrentLinkedQueue<ExternalInput> inputs = new ConcurrentLinkedQueue<>();
  private final AtomicInteger size = new AtomicInteger();
  private volatile Runnable waker = () -> {};

  /** Sets what interrupts the vCPU thread's stay in the guest or in HLT. Called once at start. */
  public void wakeWith(Runnable newWaker) {
    waker = newWaker;
  }

  /**
   * Hands over one input and wakes the vCPU thread. Any thread.
   *
   * @return false when the queue is full
   */
  public boolean offer(ExternalInput input) {
    if (size.incrementAndGet() > CAPACITY) {
      size.decrementAndGet();
      return false;
    }
    inputs.add(input);
    waker.run();
    return true;
  }

  /**
   * The inputs that wait, oldest first; they stay. Decisions of the host are left out: they are
   * about this run, not the machine. vCPU thread only.
   */
  public List<ExternalInput> waiting() {
    return inputs.stream().filter(input -> !(input instanceof HostDecision)).toList();
  }

  /** Takes the oldest input, or null when there is none. vCPU thread only; does not allocate. */
  @Nullable ExternalInput poll() {
    ExternalInput input = inputs.poll();
    if (input != null) {
      size.decrementAndGet();
    }
    return input;
  }
}
