package lockstep.monitor.input;

import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import lockstep.monitor.input.ExternalInput.ConsoleBytes;
import lockstep.monitor.input.ExternalInput.Decision;
import lockstep.monitor.input.ExternalInput.HostDecision;
import org.jspecify.annotations.Nullable;

/**
 * The way for every other thread to hand an input to the vCPU thread: bounded, many writers, one
 * reader. A full queue refuses; the writer keeps its input and tries again, nothing is dropped.
 */
public final class InputQueue {
  /** Enough for a burst of packets and completions between two exits; 1,024 inputs at most. */
  public static final int CAPACITY = 1024;

  private static final ExternalInput STOP = new HostDecision(Decision.STOP);

  private final ConcurrentLinkedQueue<ExternalInput> inputs = new ConcurrentLinkedQueue<>();
  private final AtomicInteger size = new AtomicInteger();
  private volatile Runnable waker = () -> {};
  private volatile boolean stopAsked;
  private ConsoleLine console;

  /** What {@link ConsoleLine#appliedBytes} will be when no console input is on its way. */
  private long consoleOfferedBytes;

  /** A queue that takes whatever is typed. */
  public InputQueue() {
    this(ConsoleLine.OPEN);
  }

  /** A queue for a console, which may change: {@link #consoleTo}. */
  public InputQueue(ConsoleLine console) {
    this.console = console;
  }

  /** Sets what interrupts the vCPU thread's stay in the guest or in HLT. Called once at start. */
  public void wakeWith(Runnable newWaker) {
    waker = newWaker;
  }

  /**
   * From now on console input is taken only when the machine can: nothing that is typed is lost,
   * and who types is held up. Called when there is a machine.
   */
  public synchronized void consoleTo(ConsoleLine line) {
    console = line;
    consoleOfferedBytes = line.appliedBytes() + waitingConsoleBytes();
  }

  private long waitingConsoleBytes() {
    return inputs.stream()
        .mapToLong(input -> input instanceof ConsoleBytes typed ? typed.content().size() : 0)
        .sum();
  }

  /**
   * Hands over one input and wakes the vCPU thread. Any thread.
   *
   * @return false when the queue is full, or the machine takes no console input now; try again
   */
  public boolean offer(ExternalInput input) {
    return input instanceof ConsoleBytes typed ? offerConsole(typed) : add(input);
  }

  private synchronized boolean offerConsole(ConsoleBytes typed) {
    // One at a time: how much room there is shows when the one before has been applied.
    long applied = console.appliedBytes();
    boolean taken = consoleOfferedBytes <= applied && console.takesMore() && add(typed);
    if (taken) {
      // From what was applied: inputs of a snapshot or a log do not come this way.
      consoleOfferedBytes = applied + typed.content().size();
    }
    return taken;
  }

  private boolean add(ExternalInput input) {
    if (size.incrementAndGet() > CAPACITY) {
      size.decrementAndGet();
      return false;
    }
    inputs.add(input);
    waker.run();
    return true;
  }

  /**
   * The host's decision to stop the guest: the next input, ahead of all that wait. A full queue
   * takes it, too. Any thread.
   */
  public void stop() {
    stopAsked = true;
    wake();
  }

  /** Has the vCPU thread look at what is asked of it. Any thread. */
  public void wake() {
    waker.run();
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
    if (stopAsked) {
      stopAsked = false;
      return STOP;
    }
    ExternalInput input = inputs.poll();
    if (input != null) {
      size.decrementAndGet();
    }
    return input;
  }
}
