package lockstep.sys;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import lockstep.uapi.posix_h;

/**
 * CLOCK_MONOTONIC_RAW (clock_gettime(2)): the host's crystal, which no time service speeds up or
 * slows down. CLOCK_MONOTONIC, which {@link System#nanoTime} reads, may run up to 10% fast or slow
 * while one does (adjtimex(2)): too much for a lease that two hosts measure. Any thread.
 */
public final class SteadyClock {
  private static final long NANOS_PER_SECOND = 1_000_000_000L;
  private static final ThreadLocal<Place> PLACES = ThreadLocal.withInitial(Place::new);

  private SteadyClock() {}

  /** Where one thread's calls put the time, for as long as the thread lives. */
  private static final class Place {
    private final Arena arena = Arena.ofAuto();
    private final MemorySegment errno = Sys.errnoSlot(arena);
    private final MemorySegment time = arena.allocate(JAVA_LONG, 2);
  }

  /** Nanoseconds of any origin. It stands while the host is suspended. */
  public static long nanos() {
    Place place = PLACES.get();
    // Safe: a timespec of two longs, alive as long as its place, which this frame holds.
    long result =
        Sys.call(
            place.errno,
            posix_h.SYS_clock_gettime,
            posix_h.CLOCK_MONOTONIC_RAW,
            place.time.address(),
            0,
            0,
            0,
            0);
    if (result != 0) {
      throw new IllegalStateException("every kernel has CLOCK_MONOTONIC_RAW: " + result);
    }
    return place.time.getAtIndex(JAVA_LONG, 0) * NANOS_PER_SECOND
        + place.time.getAtIndex(JAVA_LONG, 1);
  }
}
