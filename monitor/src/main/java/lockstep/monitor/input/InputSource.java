package lockstep.monitor.input;

import lockstep.sys.SysException;

/**
 * The one way in (docs/determinism.md). The vCPU loop asks {@link #next} at every stop and does
 * what it is told until told to run; devices read the clock and arm timers through the same object.
 * Which implementation is plugged in decides whether the machine runs live, is recorded, or
 * replays; neither the loop nor any device can tell.
 *
 * <p>All calls come from the vCPU thread. No call on the way from one exit to the next may allocate
 * once warm.
 */
public interface InputSource extends GuestClock, EntropySource {
  /**
   * Tells the loop what to do at this stop. Called again after each action until it answers {@link
   * Action#RUN}, {@link Action#STEP}, {@link Action#RUN_TO_WINDOW} or {@link Action#STOP}. May
   * block, in bounded slices, only while {@link VcpuPosition#halted()} is true or a full log
   * demands it.
   *
   * @throws InterruptedException when the vCPU thread is told to end
   * @throws SysException when the host refuses what the source asks of the position
   */
  Action next(VcpuPosition position) throws InterruptedException, SysException;

  /** The input to apply, after {@link Action#APPLY}; valid until the following {@code next}. */
  ExternalInput input();

  /** The loop delivered {@code vector} (0..255) because of {@link Action#DELIVER}. */
  void delivered(int vector);

  /** Sets a timer's deadline in guest clock nanoseconds; {@link TimerPort#NEVER} = off. */
  void armTimer(int timer, long deadlineNanos);

  /**
   * A guest exit is about to be handled. Sources that compare or digest exits look here.
   *
   * @param exit what the guest did
   * @param address port or guest-physical address, 0 where there is none
   * @param sizeBytes operand size, 0 where there is none
   * @param data the value written, 0 for reads
   */
  void guestExit(GuestExit exit, long address, int sizeBytes, long data);

  /** What the loop does next. */
  enum Action {
    /** Apply {@link InputSource#input()} to its device, then ask again. */
    APPLY,
    /**
     * Acknowledge the interrupt controller, inject the vector, call {@code delivered}, ask again.
     */
    DELIVER,
    /** Enter the guest. */
    RUN,
    /** Enter the guest and stop as soon as it can take an interrupt. */
    RUN_TO_WINDOW,
    /** Enter the guest for one instruction. */
    STEP,
    /** Nothing: the halted guest was waited for; ask again. So whoever is in between gets a say. */
    WAIT,
    /** Leave the loop: the run is over for this source. */
    STOP
  }

  /** Kinds of guest exits: synchronous, caused by a guest instruction. Wire numbers are fixed. */
  enum GuestExit {
    PORT_IN(1),
    PORT_OUT(2),
    MMIO_READ(3),
    MMIO_WRITE(4),
    HALT(5),
    MSR_READ(6),
    MSR_WRITE(7),
    SHUTDOWN(8),
    INTERNAL_ERROR(9),
    FAIL_ENTRY(10);

    private final int wire;

    GuestExit(int wire) {
      this.wire = wire;
    }

    /** The number in logs and digests. */
    public int wire() {
      return wire;
    }
  }
}
