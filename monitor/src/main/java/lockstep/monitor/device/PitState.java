package lockstep.monitor.device;

import lockstep.monitor.state.DeviceState;

/**
 * The 8254.
 *
 * @param countedThroughTick rising edges of OUT 0 up to this tick are accounted for
 * @param owedTicks edges that passed and wait to be shown to the guest
 * @param awaiting an edge was shown and not yet acknowledged
 * @param lineHigh the level of interrupt line 0
 * @param deadlineNanos what the timer is armed with; Long.MAX_VALUE = off
 */
public record PitState(
    PitChannelState channel0,
    PitChannelState channel1,
    PitChannelState channel2,
    long countedThroughTick,
    int owedTicks,
    boolean awaiting,
    boolean lineHigh,
    long deadlineNanos)
    implements DeviceState {
  /** Checks every range, so that a timer can be restored from any state that exists. */
  public PitState {
    if (countedThroughTick < 0 || countedThroughTick > PitTime.MAX_TICKS) {
      throw new IllegalArgumentException("pit: countedThroughTick " + countedThroughTick);
    }
    if (owedTicks < 0 || owedTicks > Pit.MAX_OWED_TICKS) {
      throw new IllegalArgumentException(
          "pit: owedTicks " + owedTicks + ", not 0.." + Pit.MAX_OWED_TICKS);
    }
    if (deadlineNanos < 0) {
      throw new IllegalArgumentException("pit: deadlineNanos " + deadlineNanos + " is negative");
    }
  }
}
