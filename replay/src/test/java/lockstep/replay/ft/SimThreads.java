package lockstep.replay.ft;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.concurrent.Executor;

/**
 * Virtual threads that run where the simulation says: each gives its continuation to an executor of
 * its own. JDK 25 has that only inside (docs/adr/0004-simulated-time.md).
 */
final class SimThreads {
  private static final MethodHandle NEW_VIRTUAL_THREAD = find();
  private static final MethodHandle HAS_PERMIT = findPermit();

  private SimThreads() {}

  private static MethodHandle find() {
    try {
      Method method =
          Class.forName("java.lang.ThreadBuilders")
              .getDeclaredMethod(
                  "newVirtualThread", Executor.class, String.class, int.class, Runnable.class);
      method.setAccessible(true);
      return MethodHandles.lookup().unreflect(method);
    } catch (ReflectiveOperationException | RuntimeException e) {
      throw noJdk25(e);
    }
  }

  private static MethodHandle findPermit() {
    try {
      Field field = Class.forName("java.lang.VirtualThread").getDeclaredField("parkPermit");
      field.setAccessible(true);
      return MethodHandles.lookup()
          .unreflectGetter(field)
          .asType(MethodType.methodType(boolean.class, Thread.class));
    } catch (ReflectiveOperationException | RuntimeException e) {
      throw noJdk25(e);
    }
  }

  private static IllegalStateException noJdk25(Exception e) {
    return new IllegalStateException(
        "the simulation needs --add-opens java.base/java.lang=ALL-UNNAMED and JDK 25", e);
  }

  /** A thread that is not started. */
  static Thread of(Executor scheduler, String name, Runnable work) {
    try {
      return (Thread) NEW_VIRTUAL_THREAD.invokeExact(scheduler, name, 0, work);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /** Whether the next park of this virtual thread returns at once, since it was unparked before. */
  static boolean hasPermit(Thread virtual) {
    try {
      return (boolean) HAS_PERMIT.invokeExact(virtual);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }
}
