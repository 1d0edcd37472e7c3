package lockstep.kvm;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.Signals;
import lockstep.sys.Sys;
import lockstep.sys.SysException;
import lockstep.uapi.f_owner_ex;
import lockstep.uapi.perf_event_attr;
import lockstep.uapi.perf_event_h;
import lockstep.uapi.posix_h;

/**
 * One performance counter of the calling thread, pinned to the PMU, counting only while the guest
 * runs (exclude_host). An overflow sends the kick signal to that thread, which ends KVM_RUN with
 * EINTR. A signal that comes when KVM_RUN is on its way out anyway is spent: look at {@link #read}
 * after every stop. Source: perf_event_open(2).
 *
 * <p>Created, read and closed by the vCPU's thread.
 */
public final class PerfCounter implements AutoCloseable {
  /** What {@link #read} returns when the count is not exact. */
  public static final long INEXACT = -1;

  /** No overflow: the largest period that perf accepts. */
  private static final long NEVER = Long.MAX_VALUE;

  private static final long READ_BYTES = 3 * Long.BYTES;

  private final Fd fd;
  private final Arena arena;
  private final MemorySegment reading;
  private final MemorySegment errnoSlot;
  private final MemorySegment period;

  /**
   * What to count.
   *
   * @param type PERF_TYPE_*
   * @param config PERF_COUNT_* or, for PERF_TYPE_RAW, the CPU's own event code
   * @param guestOnly count only in the guest; software counters cannot
   */
  public record Event(String name, int type, long config, boolean guestOnly) {
    /** Instructions that the guest retired. */
    public static final Event INSTRUCTIONS =
        new Event(
            "instructions",
            perf_event_h.PERF_TYPE_HARDWARE,
            perf_event_h.PERF_COUNT_HW_INSTRUCTIONS,
            true);

    /** The thread's CPU time in nanoseconds: works without a PMU, to exercise the path. */
    public static final Event TASK_CLOCK =
        new Event(
            "task-clock",
            perf_event_h.PERF_TYPE_SOFTWARE,
            perf_event_h.PERF_COUNT_SW_TASK_CLOCK,
            false);

    /** A CPU's own event, counted in the guest only. */
    public static Event raw(String name, long config) {
      return new Event(name, perf_event_h.PERF_TYPE_RAW, config, true);
    }
  }

  private PerfCounter(Fd fd, Arena arena) {
    this.fd = fd;
    this.arena = arena;
    this.reading = arena.allocate(READ_BYTES, Long.BYTES);
    this.errnoSlot = Sys.errnoSlot(arena);
    this.period = arena.allocate(JAVA_LONG);
  }

  /**
   * Opens a counter for the calling thread; it stands still at 0.
   *
   * @throws SysException ENOENT or EOPNOTSUPP: this host has no such counter; EACCES or EPERM:
   *     kernel.perf_event_paranoid does not let this user
   */
  public static PerfCounter open(Event event) throws SysException {
    Signals.installKickHandler();
    Fd fd = openEvent(event);
    Arena arena = Arena.ofShared();
    try {
      PerfCounter counter = new PerfCounter(fd, arena);
      counter.signalThisThread();
      return counter;
    } catch (SysException | RuntimeException e) {
      arena.close();
      fd.close();
      throw e;
    }
  }

  private static Fd openEvent(Event event) throws SysException {
    try (Arena temporary = Arena.ofConfined()) {
      MemorySegment attributes = perf_event_attr.allocate(temporary);
      perf_event_attr.type(attributes, event.type());
      perf_event_attr.size(attributes, (int) perf_event_attr.sizeof());
      perf_event_attr.config(attributes, event.config());
      perf_event_attr.sample_period(attributes, NEVER);
      perf_event_attr.read_format(
          attributes,
          perf_event_h.PERF_FORMAT_TOTAL_TIME_ENABLED
              | perf_event_h.PERF_FORMAT_TOTAL_TIME_RUNNING);
      perf_event_attr.wakeup_events(attributes, 1);
      long flags = perf_event_h.PERF_ATTR_FLAG_DISABLED | perf_event_h.PERF_ATTR_FLAG_PINNED;
      if (event.guestOnly()) {
        flags |= perf_event_h.PERF_ATTR_FLAG_EXCLUDE_HOST;
      }
      attributes.set(JAVA_LONG, perf_event_h.PERF_ATTR_FLAGS_OFFSET, flags);
      return Posix.perfEventOpen(attributes, 0, "counter " + event.name());
    }
  }

  private void signalThisThread() throws SysException {
    try (Arena temporary = Arena.ofConfined()) {
      MemorySegment owner = f_owner_ex.allocate(temporary);
      f_owner_ex.type(owner, posix_h.F_OWNER_TID);
      f_owner_ex.pid(owner, Posix.gettid());
      // Safe: the kernel reads one struct during the call.
      Posix.fcntl(fd, posix_h.F_SETOWN_EX, owner.address(), "F_SETOWN_EX");
    }
    Posix.fcntl(fd, posix_h.F_SETSIG, Signals.KICK, "F_SETSIG");
    Posix.fcntl(fd, posix_h.F_SETFL, posix_h.O_ASYNC, "F_SETFL");
  }

  /** Starts counting from 0, without an overflow. */
  public void start() throws SysException {
    start(NEVER);
  }

  /**
   * Starts counting from 0.
   *
   * @param overflowAfter events until the signal; it comes late by the CPU's skid
   */
  public void start(long overflowAfter) throws SysException {
    if (overflowAfter <= 0) {
      throw new IllegalArgumentException("overflow after " + overflowAfter + " events");
    }
    stop();
    period.set(JAVA_LONG, 0, overflowAfter);
    // Safe: the kernel reads one u64 during the call.
    Posix.ioctl(fd, perf_event_h.PERF_EVENT_IOC_PERIOD, period.address(), "PERF_EVENT_IOC_PERIOD");
    Posix.ioctl(fd, perf_event_h.PERF_EVENT_IOC_RESET, 0, "PERF_EVENT_IOC_RESET");
    Posix.ioctl(fd, perf_event_h.PERF_EVENT_IOC_ENABLE, 0, "PERF_EVENT_IOC_ENABLE");
  }

  /** Stops counting; the count stays. */
  public void stop() throws SysException {
    Posix.ioctl(fd, perf_event_h.PERF_EVENT_IOC_DISABLE, 0, "PERF_EVENT_IOC_DISABLE");
  }

  /**
   * The count since {@link #start()}. Allocates nothing.
   *
   * @return the count, or {@link #INEXACT} if the counter was off the PMU for any time, or never
   *     got on it
   */
  public long read() throws SysException {
    // Safe: the kernel writes at most READ_BYTES, for which there is room.
    long bytes =
        Sys.call(errnoSlot, posix_h.SYS_read, fd.number(), reading.address(), READ_BYTES, 0, 0, 0);
    if (bytes < 0) {
      throw new SysException("read", fd.subject(), (int) -bytes);
    }
    if (bytes < READ_BYTES) {
      return INEXACT; // a pinned counter in error state reads as end of file
    }
    boolean exact = reading.getAtIndex(JAVA_LONG, 1) == reading.getAtIndex(JAVA_LONG, 2);
    return exact ? reading.getAtIndex(JAVA_LONG, 0) : INEXACT;
  }

  @Override
  public void close() {
    if (!fd.isClosed()) {
      fd.close();
      arena.close();
    }
  }
}
