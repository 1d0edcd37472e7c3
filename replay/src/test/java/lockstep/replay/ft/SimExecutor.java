package lockstep.replay.ft;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.Callable;
import java.util.concurrent.Delayed;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.RunnableFuture;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** One thread of a process that does what it is given: {@code arbiter}, or a network's loop. */
final class SimExecutor extends AbstractExecutorService implements ScheduledExecutorService {
  private final SimProcess process;
  private final String name;
  private final Runnable afterEach;
  private final ArrayDeque<Runnable> queue = new ArrayDeque<>();
  private final PriorityQueue<Later<?>> later = new PriorityQueue<>();
  private final Thread thread;
  private long order;
  private boolean closed;

  SimExecutor(String name, SimProcess process) {
    this(name, process, () -> {});
  }

  /**
   * @param afterEach done after each piece of work
   */
  SimExecutor(String name, SimProcess process, Runnable afterEach) {
    this.afterEach = afterEach;
    this.name = name;
    this.process = process;
    this.thread = process.thread(name, true, this::run);
    thread.start();
  }

  /** Whether the caller is its thread. */
  boolean isHere() {
    return Thread.currentThread() == thread;
  }

  private void run() {
    while (!closed) {
      Runnable next = next();
      if (next != null) {
        try {
          next.run();
        } catch (Throwable e) {
          process.uncaught(name, e);
        }
        afterEach.run();
        process.point();
      } else if (later.isEmpty()) {
        LockSupport.park(this);
      } else {
        process.park(this, later.element().atNanos - process.nanoTime());
      }
    }
  }

  private @Nullable Runnable next() {
    while (!later.isEmpty() && later.element().atNanos - process.nanoTime() <= 0) {
      queue.add(later.remove());
    }
    return queue.poll();
  }

  @Override
  public void execute(Runnable work) {
    if (closed) {
      throw new RejectedExecutionException("closed");
    }
    queue.add(work);
    LockSupport.unpark(thread);
  }

  @Override
  protected <T> RunnableFuture<T> newTaskFor(Callable<T> work) {
    return new Later<>(work, 0, 0);
  }

  @Override
  protected <T> RunnableFuture<T> newTaskFor(Runnable work, T value) {
    return new Later<>(
        () -> {
          work.run();
          return value;
        },
        0,
        0);
  }

  private <V> ScheduledFuture<V> at(Later<V> task) {
    if (closed) {
      throw new RejectedExecutionException("closed");
    }
    later.add(task);
    LockSupport.unpark(thread);
    return task;
  }

  @Override
  public ScheduledFuture<?> schedule(Runnable work, long delay, TimeUnit unit) {
    return schedule(
        () -> {
          work.run();
          return "";
        },
        delay,
        unit);
  }

  @Override
  public <V> ScheduledFuture<V> schedule(Callable<V> work, long delay, TimeUnit unit) {
    return at(new Later<>(work, process.nanoTime() + unit.toNanos(delay), 0));
  }

  @Override
  public ScheduledFuture<?> scheduleAtFixedRate(
      Runnable work, long first, long period, TimeUnit unit) {
    Callable<String> call =
        () -> {
          work.run();
          return "";
        };
    return at(new Later<>(call, process.nanoTime() + unit.toNanos(first), unit.toNanos(period)));
  }

  @Override
  public ScheduledFuture<?> scheduleWithFixedDelay(
      Runnable work, long first, long delay, TimeUnit unit) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void shutdown() {
    closed = true;
    LockSupport.unpark(thread);
  }

  @Override
  public List<Runnable> shutdownNow() {
    List<Runnable> left = new ArrayList<>(queue);
    queue.clear();
    shutdown();
    thread.interrupt();
    return left;
  }

  @Override
  public boolean isShutdown() {
    return closed;
  }

  @Override
  public boolean isTerminated() {
    return closed;
  }

  @Override
  public boolean awaitTermination(long timeout, TimeUnit unit) {
    return closed;
  }

  /** A task whose result is waited for by the process's clock. */
  private final class Later<V> extends FutureTask<V> implements ScheduledFuture<V> {
    private final long periodNanos;
    private final long number = order++;
    private final List<Thread> waiters = new ArrayList<>();
    private long atNanos;

    Later(Callable<V> work, long atNanos, long periodNanos) {
      super(work);
      this.atNanos = atNanos;
      this.periodNanos = periodNanos;
    }

    @Override
    public void run() {
      if (periodNanos == 0) {
        super.run();
      } else if (runAndReset()) {
        atNanos += periodNanos;
        later.add(this);
      }
    }

    @Override
    protected void setException(Throwable e) {
      super.setException(e);
      if (atNanos != 0) {
        // Nobody asks a timer for its result.
        process.uncaught(name, e);
      }
    }

    @Override
    protected void done() {
      waiters.forEach(LockSupport::unpark);
    }

    @Override
    public V get(long timeout, TimeUnit unit)
        throws InterruptedException, ExecutionException, TimeoutException {
      long until = process.nanoTime() + unit.toNanos(timeout);
      waiters.add(Thread.currentThread());
      while (!isDone()) {
        long left = until - process.nanoTime();
        if (left <= 0) {
          throw new TimeoutException();
        }
        if (Thread.interrupted()) {
          throw new InterruptedException();
        }
        process.park(this, left);
      }
      return get();
    }

    @Override
    public long getDelay(TimeUnit unit) {
      return unit.convert(atNanos - process.nanoTime(), TimeUnit.NANOSECONDS);
    }

    @Override
    public int compareTo(Delayed other) {
      Later<?> that = (Later<?>) other;
      return atNanos != that.atNanos
          ? Long.compare(atNanos, that.atNanos)
          : Long.compare(number, that.number);
    }
  }
}
