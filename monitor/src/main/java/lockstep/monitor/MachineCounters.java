package lockstep.monitor;

/**
 * What a machine counted since it was created.
 *
 * @param guestExits guest exits handled
 * @param unclaimedPorts port accesses that no device claimed
 * @param unclaimedMmio MMIO accesses that no device claimed
 * @param refusedMsrs MSR accesses that raised #GP
 * @param refusedConsoleBytes typed bytes that found the serial port's queue full and were lost
 */
public record MachineCounters(
    long guestExits,
    long unclaimedPorts,
    long unclaimedMmio,
    long refusedMsrs,
    long refusedConsoleBytes) {
  /** Before anything happened. */
  public static final MachineCounters ZERO = new MachineCounters(0, 0, 0, 0, 0);

  /** One line for people. */
  @Override
  public String toString() {
    return ("%d guest exits; unclaimed: %d port and %d MMIO accesses; refused: %d MSR accesses,"
            + " %d console bytes")
        .formatted(guestExits, unclaimedPorts, unclaimedMmio, refusedMsrs, refusedConsoleBytes);
  }
}
