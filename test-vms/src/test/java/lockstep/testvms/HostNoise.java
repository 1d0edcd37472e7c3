package lockstep.testvms;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.input.WakeTimer;
import lockstep.sys.SysException;

/**
 * A host that is busy with other things: timers come late, the vCPU thread is held up now and then,
 * kicks come for no reason, and every CPU has something else to do. None of it may show in whether
 * a recording replays.
 */
final class HostNoise implements AutoCloseable {
  /** Kicks come this far apart at most. */
  private static final long KICK_NANOS = TimeUnit.MILLISECONDS.toNanos(4);

  /** A timer is late by this much at most. */
  private static final long LATE_NANOS = TimeUnit.MILLISECONDS.toNanos(3);

  /** A hold-up of the vCPU thread takes this long at most. */
  private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

  /** One stop in so many is held up. */
  private static final int STOPS_PER_PAUSE = 100;

  private static final long JOIN_MILLIS = 5_000;

  private final Random kicks;
  private final Random delays;
  private final Random pauses;
  private volatile boolean over;
  private volatile Runnable kick = () -> {};
  private final Thread[] threads;

  /**
   * @param seed where the delays come from
   * @param burners how many threads compete for the CPUs
   */
  HostNoise(long seed, int burners) {
    kicks = new Random(seed);
    delays = new Random(seed + 1);
    pauses = new Random(seed + 2);
    threads = new Thread[1 + burners];
    threads[0] = Thread.ofPlatform().daemon().name("noise-kicks").start(this::kickAtRandom);
    for (int i = 1; i < threads.length; i++) {
      threads[i] = Thread.ofPlatform().daemon().name("noise-burner-" + i).start(this::burn);
    }
  }

  private void kickAtRandom() {
    while (!over) {
      LockSupport.parkNanos(kicks.nextLong(1, KICK_NANOS));
      kick.run();
    }
  }

  private void burn() {
    long value = 1;
    while (!over) {
      value = value * 6364136223846793005L + 1442695040888963407L;
      if (value == 0) {
        Thread.onSpinWait();
      }
    }
  }

  /** Kicks this vCPU from now on. */
  void kicks(Runnable target) {
    kick = target;
  }

  /** The same timer, late. */
  WakeTimer late(WakeTimer real) {
    return nanos ->
        real.wakeAt(nanos == Long.MAX_VALUE ? nanos : nanos + delays.nextLong(LATE_NANOS));
  }

  /** The same source, held up now and then. */
  InputSource heldUp(InputSource real) {
    return new PassedOn(real) {
      @Override
      public Action next(VcpuPosition position) throws InterruptedException, SysException {
        if (pauses.nextInt(STOPS_PER_PAUSE) == 0) {
          LockSupport.parkNanos(pauses.nextLong(1, PAUSE_NANOS));
        }
        return super.next(position);
      }
    };
  }

  @Override
  public void close() {
    over = true;
    try {
      for (Thread thread : threads) {
        thread.join(JOIN_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
