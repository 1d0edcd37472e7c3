package lockstep.monitor.input;

import lockstep.monitor.state.Bytes;

/**
 * The code where the vCPU stands, for reports.
 *
 * @param rip the instruction pointer, without CS.base
 * @param bits 16, 32 or 64, as the code segment says
 * @param before bytes right before RIP, fewer than asked for where they are not in RAM
 * @param from the bytes at RIP and behind
 */
public record CodeAt(long rip, int bits, Bytes before, Bytes from) {
  /** Where to look when nothing is mapped. */
  public static CodeAt nothing(long rip) {
    return new CodeAt(rip, 64, Bytes.copyOf(new byte[0]), Bytes.copyOf(new byte[0]));
  }
}
