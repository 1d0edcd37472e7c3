package lockstep.replay.ft;

import java.lang.reflect.Method;
import java.util.concurrent.Executor;

/**
 * Virtual threads that run where the simulation says: each gives its continuation to an executor of
 * its own. JDK 25 has that only inside (docs/adr/0004-simulated-time.md).
 */
final class SimThreads {
  private static final Method NEW_VIRTUAL_THREAD = find();

  private SimThreads() {}

  private static Method find() {
    try {
      Method method =
          Class.forName("java.lang.ThreadBuilders")
              .getDeclaredMethod(
                  "newVirtualThread", Executor.class, String.class, int.class, Runnable.class);
      method.setAccessible(true);
      return method;
    } catch (ReflectiveOperationException | RuntimeException e) {
      throw new IllegalStateException(
          "the simulation needs --add-opens java.base/java.lang=ALL-UNNAMED and JDK 25", e);
    }
  }

  /** A thread that is not started. */
  static Thread of(Executor scheduler, String name, Runnable work) {
    try {
      return (Thread) NEW_VIRTUAL_THREAD.invoke(null, scheduler, name, 0, work);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }
}
