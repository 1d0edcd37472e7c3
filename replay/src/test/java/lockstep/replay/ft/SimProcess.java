package lockstep.replay.ft;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import lockstep.sys.Scheduler;

/**
 * A process of the simulation: a clock that runs a little fast or slow, and threads that can be
 * stopped all together for a while or for ever.
 */
final class SimProcess implements Scheduler {
  /** How often a thread loses its CPU where it asks for a lock. */
  private static final double PREEMPTED = 0.05;

  final String name;
  final SimWorld world;
  private final double rate;
  private final long offset;
  private final List<SimThread> held = new ArrayList<>();
  private final List<SimThread> threads = new ArrayList<>();
  private final Runnable died;
  private boolean dead;

  /** Whether the end of one thread is that of all. */
  private boolean failsStop = true;

  private boolean stopped;

  /**
   * A process without threads.
   *
   * @param drift how much its clock may be fast or slow, a part of 1
   * @param died told once when it is dead
   */
  SimProcess(String name, SimWorld world, double drift, Runnable died) {
    this.name = name;
    this.world = world;
    this.died = died;
    this.rate = 1 + (world.random.nextDouble() * 2 - 1) * drift;
    this.offset = world.between(0, 1_000 * SimWorld.SECOND);
  }

  void neverFailsStop() {
    failsStop = false;
  }

  boolean isDead() {
    return dead;
  }

  boolean isStopped() {
    return stopped;
  }

  /** Whether a thread may run now; one that may not is remembered. */
  boolean runs(SimThread thread) {
    if (stopped && !dead) {
      held.add(thread);
    }
    return !dead && !stopped;
  }

  void stop() {
    stopped = true;
  }

  /** A stopped process runs again, all that came meanwhile at once. */
  void wakeUp() {
    if (stopped) {
      stopped = false;
      List<SimThread> now = List.copyOf(held);
      held.clear();
      now.forEach(SimThread::execute);
    }
  }

  /** Nothing of it runs any more. */
  void die() {
    if (!dead) {
      dead = true;
      held.clear();
      threads.clear();
      died.run();
    }
  }

  /** Threads that have not ended. */
  List<SimThread> threads() {
    return List.copyOf(threads);
  }

  /** A thread's work, and what becomes of an Error there. */
  void guarded(SimThread thread, Runnable work) {
    try {
      work.run();
    } catch (SimError e) {
      failStop(thread.name, e);
    } catch (Throwable e) {
      uncaught(thread.name, e);
    } finally {
      threads.remove(thread);
    }
  }

  /** A thread has ended with something that none should ever throw. */
  void uncaught(String thread, Throwable e) {
    failStop(thread, e);
  }

  /** A defect of the node, or of the simulation. */
  private void unexpected(String thread, Throwable e) {
    StringBuilder frames = new StringBuilder();
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      frames.append("\n  ").append(cause);
      for (StackTraceElement frame : cause.getStackTrace()) {
        frames.append("\n    at ").append(frame);
      }
    }
    world.fail("%s/%s: uncaught%s".formatted(name, thread, frames));
  }

  /** Where a thread may lose its CPU, or meet an Error. */
  @SuppressWarnings("ThreadPriorityCheck") // The order of threads is chosen here, by the seed.
  void point() {
    if (Thread.currentThread().isVirtual()) {
      Optional<SimThread> running = world.running();
      if (running.isPresent()) {
        running.get().throwIfDue();
      }
      if (world.chance(PREEMPTED) && !goesOnAt(0)) {
        Thread.yield();
      }
    }
  }

  /** This clock, when the true one shows that much. */
  private long shown(long trueNanos) {
    return offset + (long) (trueNanos * rate);
  }

  /** The true time from now until this clock shows that much. */
  long untilShown(long nanos) {
    return Math.max(0, (long) Math.ceil((nanos - offset) / rate) - world.now());
  }

  @Override
  public long nanoTime() {
    return shown(world.now());
  }

  @Override
  public long steadyNanos() {
    return nanoTime();
  }

  @Override
  public void sleep(long nanos) throws InterruptedException {
    point();
    long until = nanoTime() + nanos;
    while (nanoTime() < until) {
      if (Thread.interrupted()) {
        throw new InterruptedException();
      }
      park(this, until - nanoTime());
    }
  }

  @Override
  public void park(Object blocker, long nanos) {
    if (nanos <= 0) {
      return;
    }
    Thread self = Thread.currentThread();
    long wait = Math.max(1, (long) (nanos / rate));
    if (self.isVirtual()
        && !self.isInterrupted()
        && !SimThreads.hasPermit(self)
        && goesOnAt(world.now() + wait)) {
      return;
    }
    SimAgenda.Due timer = world.after(wait, () -> LockSupport.unpark(self));
    LockSupport.park(blocker);
    timer.cancel();
  }

  /**
   * Whether the running thread would be the next one to run if it gave its CPU away until then, and
   * nothing would happen meanwhile. If so that time has passed, without the costs of a change.
   */
  private boolean goesOnAt(long nanos) {
    Optional<SimThread> running = world.running();
    return !dead
        && !stopped
        && running.isPresent()
        && !running.get().isStalled()
        && world.skipTo(nanos);
  }

  @Override
  public Lock lock() {
    return new SimLock();
  }

  @Override
  public Thread thread(String threadName, boolean daemon, Runnable work) {
    SimThread made = new SimThread(threadName, this, work);
    threads.add(made);
    return made.thread;
  }

  @Override
  public void spawn(Runnable work) {
    thread("spawned", true, work).start();
  }

  @Override
  public ExecutorService executor(String threadName) {
    return new SimExecutor(threadName, this);
  }

  @Override
  public void failStop(String line) {
    world.trace(name + ": " + line);
    if (failsStop) {
      die();
    }
    while (Thread.currentThread().isVirtual()) {
      LockSupport.park(this);
    }
  }

  @Override
  public void failStop(String thread, Throwable cause) {
    if (cause instanceof SimError) {
      failStop("thread " + thread + " has failed: " + cause);
    } else {
      unexpected(thread, cause);
    }
  }

  @Override
  public boolean urgent(boolean on) {
    return true;
  }

  @Override
  public void randomBytes(byte[] into) {
    world.random.nextBytes(into);
  }

  @Override
  public int nice() {
    return 0;
  }

  @Override
  public boolean nice(int nice) {
    return true;
  }

  /** A lock whose holder may lose its CPU, and whose conditions wait by this clock. */
  private final class SimLock implements Lock {
    private final ReentrantLock lock = new ReentrantLock();

    @Override
    public void lock() {
      if (world.running().isEmpty()) {
        // The world itself looks, between two turns: it must not wait for a thread that has it.
        boolean unused = lock.tryLock();
        return;
      }
      point();
      lock.lock();
    }

    @Override
    public void unlock() {
      if (world.running().isPresent() || lock.isHeldByCurrentThread()) {
        lock.unlock();
      }
    }

    @Override
    public Condition newCondition() {
      return new SimCondition(lock);
    }

    @Override
    public void lockInterruptibly() throws InterruptedException {
      lock.lockInterruptibly();
    }

    @Override
    public boolean tryLock() {
      return lock.tryLock();
    }

    @Override
    public boolean tryLock(long time, java.util.concurrent.TimeUnit unit) {
      throw new UnsupportedOperationException();
    }
  }

  @SuppressWarnings("WaitNotInLoop") // It is what the loops wait by.
  private final class SimCondition implements Condition {
    private final ReentrantLock lock;
    private final List<Waiter> waiters = new ArrayList<>();

    private static final class Waiter {
      private final Thread thread = Thread.currentThread();
      private boolean signalled;
    }

    SimCondition(ReentrantLock lock) {
      this.lock = lock;
    }

    @Override
    public void await() throws InterruptedException {
      long unused = awaitNanos(Long.MAX_VALUE);
    }

    @Override
    public long awaitNanos(long nanos) throws InterruptedException {
      if (!lock.isHeldByCurrentThread() || lock.getHoldCount() != 1) {
        throw new IllegalMonitorStateException();
      }
      if (Thread.interrupted()) {
        throw new InterruptedException();
      }
      Waiter self = new Waiter();
      waiters.add(self);
      lock.unlock();
      long start = nanoTime();
      long left = nanos;
      boolean interrupted = false;
      while (!self.signalled && left > 0 && !interrupted) {
        if (nanos == Long.MAX_VALUE) {
          LockSupport.park(this);
        } else {
          park(this, left);
          left = nanos - (nanoTime() - start);
        }
        interrupted = Thread.interrupted();
      }
      waiters.remove(self);
      lock.lock();
      if (interrupted) {
        throw new InterruptedException();
      }
      return left;
    }

    @Override
    public void signalAll() {
      for (Waiter waiter : waiters) {
        waiter.signalled = true;
        LockSupport.unpark(waiter.thread);
      }
    }

    @Override
    public void signal() {
      signalAll();
    }

    @Override
    public void awaitUninterruptibly() {
      throw new UnsupportedOperationException();
    }

    @Override
    public boolean await(long time, java.util.concurrent.TimeUnit unit)
        throws InterruptedException {
      return awaitNanos(unit.toNanos(time)) > 0;
    }

    @Override
    public boolean awaitUntil(java.util.Date deadline) {
      throw new UnsupportedOperationException();
    }
  }

  /** An Error that the simulation has thrown into a thread. */
  static final class SimError extends Error {
    private static final long serialVersionUID = 1;

    SimError() {
      super("out of memory, says the simulation");
    }
  }
}
