package lockstep.monitor.bus;

/** A device's window of guest-physical addresses. Called on the vCPU thread only. */
public interface MmioHandler {
  /**
   * The guest reads.
   *
   * @param offsetBytes relative to the window's start
   * @param sizeBytes 1, 2, 4 or 8
   * @return the value, little-endian; bits above {@code sizeBytes} are ignored
   */
  long read(long offsetBytes, int sizeBytes);

  /** The guest writes; parameters as for {@link #read}. */
  void write(long offsetBytes, int sizeBytes, long value);
}
