package lockstep.monitor.input;

import lockstep.sys.SysException;

/**
 * The whole machine at a stop, for digests and state-sync. Every call completes a pending port or
 * MMIO instruction first, so that what is seen is the state at an instruction boundary. vCPU thread
 * only; not for the exit path: the calls allocate and cost system calls.
 */
public interface StoppedMachine {
  /** {@code VcpuState.encode()} of the vCPU. */
  byte[] cpuState() throws SysException;

  /**
   * Puts the vCPU into another state; the loop takes it as a fresh start from there.
   *
   * @param encoded what {@link #cpuState} returned, here or on another host
   * @throws IllegalArgumentException when these are no such bytes
   */
  void replaceCpuState(byte[] encoded) throws SysException;

  /** {@code StateCodec.encode} of all devices. */
  byte[] devicesState() throws SysException;

  /**
   * CRC-32C of each chunk of RAM, by address.
   *
   * @param chunkBytes a multiple of 4,096; the last chunk of a block of RAM may be smaller
   */
  int[] memoryChecksums(int chunkBytes) throws SysException;

  /** RAM in bytes. */
  long memoryBytes();

  /** From now on the pages that the guest writes are remembered for {@link #takeDirtyPages}. */
  void trackDirtyPages() throws SysException;

  /** No longer, because remembering them costs. */
  void untrackDirtyPages() throws SysException;

  /** Hands over every page written since the last call, or since tracking began. */
  void takeDirtyPages(PageSink sink) throws SysException;

  /**
   * Keeps a page for {@link #takeStagedPages}, outside the heap and without a change of the
   * machine: the rest of a state-sync may never come, and then the machine goes on as it is.
   *
   * @param address guest-physical, a multiple of 4,096
   * @param content 4,096 bytes
   * @throws IllegalArgumentException when this is not a page of RAM
   * @throws SysException when the host has no memory for it
   */
  void stagePage(long address, byte[] content) throws SysException;

  /**
   * Replaces every page that was staged; as {@link #replacePage}.
   *
   * @return how many these were
   */
  long takeStagedPages();

  /**
   * Replaces one page of RAM; to be followed by {@link #replaceCpuState}, as a page may hold page
   * tables that the CPU uses.
   *
   * @param address guest-physical, a multiple of 4,096
   * @param content 4,096 bytes
   * @throws IllegalArgumentException when this is not a page of RAM
   */
  void replacePage(long address, byte[] content);

  /** All registers and the bytes at RIP as lines of text, for reports. */
  String registerDump() throws SysException;

  /** The code around RIP, for reports. */
  CodeAt code() throws SysException;

  /** Takes pages. */
  interface PageSink {
    /**
     * @param address guest-physical, a multiple of 4,096
     * @param content 4,096 bytes, the taker's own
     */
    void page(long address, byte[] content);
  }
}
