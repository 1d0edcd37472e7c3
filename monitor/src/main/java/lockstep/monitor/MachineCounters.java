package lockstep.monitor;

/**
 * What a machine counted since it was created.
 *
 * @param guestExits guest exits handled
 * @param unclaimedPorts port accesses that no device claimed
 * @param unclaimedMmio MMIO accesses that no device claimed
 * @param refusedMsrs MSR accesses that raised #GP
 */
public record MachineCounters(
    long guestExits, long unclaimedPorts, long unclaimedMmio, long refusedMsrs) {}
