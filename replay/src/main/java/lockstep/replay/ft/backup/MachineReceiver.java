package lockstep.replay.ft.backup;

import java.io.InputStream;
import java.util.function.LongConsumer;
import lockstep.monitor.VirtualMachine;
import lockstep.replay.ft.vcpu.RoleSwitch;

/** Makes a backup's machine from what a primary sends of its own; {@link KvmReceiver} on KVM. */
@FunctionalInterface
public interface MachineReceiver {
  /**
   * Reads a machine's state to its end.
   *
   * @param state as {@link VirtualMachine#copy} wrote it
   * @param roleSwitch the machine's way in and out
   * @param clockNanos told what the guest clock shows, before the machine asks it anything
   * @throws java.io.IOException when this host cannot run that machine, or the state is cut or
   *     damaged; one line
   */
  VirtualMachine receive(InputStream state, RoleSwitch roleSwitch, LongConsumer clockNanos)
      throws Exception;
}
