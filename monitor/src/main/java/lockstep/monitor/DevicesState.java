package lockstep.monitor;

import lockstep.monitor.device.CmosState;
import lockstep.monitor.device.I8042State;
import lockstep.monitor.device.PciHostState;
import lockstep.monitor.device.PicState;
import lockstep.monitor.device.PitState;
import lockstep.monitor.device.ResetControlState;
import lockstep.monitor.device.SystemControlState;
import lockstep.monitor.device.UartState;
import lockstep.monitor.state.DeviceState;

/** All devices of a machine as one value; {@code StateCodec} gives the bytes to digest or send. */
public record DevicesState(
    PicState pic,
    PitState pit,
    SystemControlState systemControl,
    UartState serial,
    I8042State keyboardController,
    ResetControlState resetControl,
    CmosState rtc,
    PciHostState pci)
    implements DeviceState {}
