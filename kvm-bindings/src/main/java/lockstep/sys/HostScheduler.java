package lockstep.sys;

import java.security.SecureRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/** The host's clock and threads. Tests may give it another clock, which is the steady one too. */
public class HostScheduler implements Scheduler {
  /** What the process then ends with; also what the JVM ends with when its heap is full. */
  public static final int FAIL_STOP = 3;

  @Override
  public long steadyNanos() {
    return nanoTime();
  }

  @Override
  public long nanoTime() {
    return System.nanoTime();
  }

  @Override
  public void sleep(long nanos) throws InterruptedException {
    Thread.sleep(nanos / 1_000_000, (int) (nanos % 1_000_000));
  }

  @Override
  public void park(Object blocker, long nanos) {
    LockSupport.parkNanos(blocker, nanos);
  }

  @Override
  public Lock lock() {
    return new ReentrantLock();
  }

  @Override
  public Thread thread(String name, boolean daemon, Runnable work) {
    return Thread.ofPlatform().daemon(daemon).name(name).unstarted(vital(name, work));
  }

  @Override
  public void spawn(Runnable work) {
    Thread unused = Thread.ofVirtual().start(vital("helper", work));
  }

  @Override
  public ExecutorService executor(String name) {
    return Executors.newSingleThreadExecutor(
        Thread.ofPlatform()
            .daemon()
            .name(name)
            .uncaughtExceptionHandler((_, cause) -> failStop(name, cause))
            .factory());
  }

  /**
   * What any thread of this process throws and nothing catches ends it: a thread that is missing
   * while the others run is worse. At the start.
   */
  public static void endOnUncaught() {
    Thread.setDefaultUncaughtExceptionHandler(
        (thread, cause) -> Scheduler.HOST.failStop(thread.getName(), cause));
  }

  private Runnable vital(String name, Runnable work) {
    ProcessEnd.prepare();
    return () -> {
      try {
        work.run();
      } catch (Throwable e) {
        failStop(name, e);
      }
    };
  }

  @Override
  public void randomBytes(byte[] into) {
    new SecureRandom().nextBytes(into);
  }

  @Override
  public void failStop(String line) {
    ProcessEnd.now("lockstep: " + line + "\r\n", FAIL_STOP);
  }

  @Override
  public void failStop(String thread, Throwable cause) {
    String line = "a thread has failed; the process ends";
    try {
      line =
          "thread %s has failed, which is a bug of Lockstep; the process ends: %s%s"
              .formatted(thread, cause, at(cause));
    } finally {
      failStop(line);
    }
  }

  /** Where it was thrown, for whoever looks for the bug. */
  private static String at(Throwable cause) {
    StackTraceElement[] trace = cause.getStackTrace();
    return trace.length == 0 ? "" : " at " + trace[0];
  }

  @Override
  public boolean urgent(boolean on) {
    return false;
  }

  @Override
  public int nice() {
    return Posix.nice();
  }

  @Override
  public boolean nice(int nice) {
    return Posix.nice(nice);
  }
}
