package lockstep.monitor;

import lockstep.kvm.VcpuState;
import lockstep.monitor.vcpu.LoopState;

/**
 * A machine at an instruction boundary, all of it but its memory, which is too large for a value
 * (design: determinism contract). With equal memory, equal states have equal futures.
 *
 * @param origin what it was built from
 * @param cpu the vCPU
 * @param devices all devices
 * @param loop the vCPU loop
 * @param inputs the guest clock, and inputs not applied yet
 */
public record MachineState(
    MachineOrigin origin,
    VcpuState cpu,
    DevicesState devices,
    LoopState loop,
    SavedInputs inputs) {}
