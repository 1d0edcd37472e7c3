package lockstep.monitor.boot;

/**
 * A segment register with its hidden part, as {@code struct kvm_segment} has it (Intel SDM vol. 3,
 * 3.4.5).
 *
 * @param selector the visible part
 * @param base the base address
 * @param limit the limit in bytes, already scaled by the granularity
 * @param type the type field, accessed bit included
 * @param codeOrData the S bit: false for system segments
 * @param longMode the L bit
 * @param default32 the D/B bit
 * @param granular the G bit
 * @param usable false for a null segment
 */
public record SegmentRegister(
    int selector,
    long base,
    long limit,
    int type,
    boolean codeOrData,
    boolean longMode,
    boolean default32,
    boolean granular,
    boolean usable) {
  private static final int CODE = 0xb;
  private static final int DATA = 0x3;
  private static final int LDT = 0x2;
  private static final int BUSY_TSS = 0xb;
  private static final long FLAT_LIMIT = 0xffff_ffffL;

  static SegmentRegister flatCode64(int selector) {
    return new SegmentRegister(selector, 0, FLAT_LIMIT, CODE, true, true, false, true, true);
  }

  static SegmentRegister flatCode32(int selector) {
    return new SegmentRegister(selector, 0, FLAT_LIMIT, CODE, true, false, true, true, true);
  }

  static SegmentRegister flatData(int selector) {
    return new SegmentRegister(selector, 0, FLAT_LIMIT, DATA, true, false, true, true, true);
  }

  static SegmentRegister realCode(int segment) {
    return new SegmentRegister(
        segment, (long) segment << 4, 0xffff, CODE, true, false, false, false, true);
  }

  static SegmentRegister realData(int segment) {
    return new SegmentRegister(
        segment, (long) segment << 4, 0xffff, DATA, true, false, false, false, true);
  }

  static SegmentRegister task() {
    return new SegmentRegister(0, 0, 0xffff, BUSY_TSS, false, false, false, false, true);
  }

  static SegmentRegister noLdt() {
    return new SegmentRegister(0, 0, 0xffff, LDT, false, false, false, false, false);
  }
}
