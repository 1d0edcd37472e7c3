package lockstep.monitor.device;

import lockstep.monitor.state.DeviceState;

/**
 * What every device offers beside its registers: its whole state as one record. {@code
 * restore(save())} on a device built the same way gives a device with the same future.
 *
 * @param <S> the State record
 */
public interface Device<S extends DeviceState> {
  /** The present state, complete. */
  S save();

  /**
   * Takes over a saved state. Interrupt lines are driven to the levels the state implies and timers
   * armed again; nothing else is emitted.
   *
   * @throws IllegalArgumentException when the state could not have come from {@link #save}
   */
  void restore(S state);

  /** The State record's class, for the codec. */
  Class<S> stateType();

  /** Back to the state after power-on, as the machine's reset does. */
  void reset();
}
