package lockstep.monitor;

import java.util.List;
import lockstep.monitor.device.CmosState;
import lockstep.monitor.device.I8042State;
import lockstep.monitor.device.PciHostState;
import lockstep.monitor.device.PicState;
import lockstep.monitor.device.PitState;
import lockstep.monitor.device.ResetControlState;
import lockstep.monitor.device.SystemControlState;
import lockstep.monitor.device.UartState;
import lockstep.monitor.device.virtio.VirtioBlockState;
import lockstep.monitor.state.DeviceState;

/**
 * All devices of a machine as one value; {@code StateCodec} gives the bytes to digest or send.
 *
 * @param disks one, or none in a machine without a disk
 */
public record DevicesState(
    PicState pic,
    PitState pit,
    SystemControlState systemControl,
    UartState serial,
    I8042State keyboardController,
    ResetControlState resetControl,
    CmosState rtc,
    PciHostState pci,
    List<VirtioBlockState> disks)
    implements DeviceState {
  /** Copies. */
  public DevicesState {
    disks = List.copyOf(disks);
  }
}
