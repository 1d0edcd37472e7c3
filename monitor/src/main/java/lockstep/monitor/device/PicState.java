package lockstep.monitor.device;

import lockstep.monitor.state.DeviceState;

/** The 8259A pair. */
public record PicState(PicChipState master, PicChipState slave) implements DeviceState {}
