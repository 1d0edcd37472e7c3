package lockstep.kvm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import lockstep.uapi.kvm_dtable;
import lockstep.uapi.kvm_segment;
import lockstep.uapi.kvm_sregs;

/** Segment, control and table registers: a copy of the vCPU's, read and written as a whole. */
public final class SystemRegisters {
  /** IA32_APIC_BASE bit 11 (Intel SDM volume 3, 11.4.3). */
  private static final long APIC_GLOBAL_ENABLE = 1L << 11;

  private final MemorySegment block;

  SystemRegisters(Arena arena) {
    this.block = kvm_sregs.allocate(arena);
  }

  MemorySegment block() {
    return block;
  }

  /** The segment registers, with their place in struct kvm_sregs. */
  public enum SegmentName {
    CS(kvm_sregs.cs$offset()),
    DS(kvm_sregs.ds$offset()),
    ES(kvm_sregs.es$offset()),
    FS(kvm_sregs.fs$offset()),
    GS(kvm_sregs.gs$offset()),
    SS(kvm_sregs.ss$offset()),
    TR(kvm_sregs.tr$offset()),
    LDT(kvm_sregs.ldt$offset());

    private final long offset;

    SegmentName(long offset) {
      this.offset = offset;
    }

    /** Its place in struct kvm_sregs, in bytes. */
    long offset() {
      return offset;
    }
  }

  /** The segment register {@code name}. */
  public Segment segment(SegmentName name) {
    MemorySegment s = place(name);
    return new Segment(
        kvm_segment.selector(s) & 0xffff,
        kvm_segment.base(s),
        kvm_segment.limit(s),
        kvm_segment.type(s),
        kvm_segment.present(s) != 0,
        kvm_segment.dpl(s),
        kvm_segment.db(s) != 0,
        kvm_segment.s(s) != 0,
        kvm_segment.l(s) != 0,
        kvm_segment.g(s) != 0);
  }

  /** Sets the segment register {@code name}. */
  public void segment(SegmentName name, Segment value) {
    MemorySegment s = place(name);
    kvm_segment.selector(s, (short) value.selector());
    kvm_segment.base(s, value.base());
    kvm_segment.limit(s, value.limit());
    kvm_segment.type(s, (byte) value.type());
    kvm_segment.present(s, flag(value.present()));
    kvm_segment.dpl(s, (byte) value.dpl());
    kvm_segment.db(s, flag(value.db()));
    kvm_segment.s(s, flag(value.codeOrData()));
    kvm_segment.l(s, flag(value.longMode()));
    kvm_segment.g(s, flag(value.granular()));
    kvm_segment.unusable(s, flag(!value.present()));
  }

  private MemorySegment place(SegmentName name) {
    return block.asSlice(name.offset, kvm_segment.sizeof());
  }

  private static byte flag(boolean on) {
    return (byte) (on ? 1 : 0);
  }

  /** The current privilege level, 0..3: the DPL of SS, as KVM has it too. */
  public int privilegeLevel() {
    return kvm_segment.dpl(place(SegmentName.SS));
  }

  /** The base of the interrupt descriptor table. */
  public long idtBase() {
    return kvm_dtable.base(kvm_sregs.idt(block));
  }

  /** The base of the global descriptor table. */
  public long gdtBase() {
    return kvm_dtable.base(kvm_sregs.gdt(block));
  }

  /** Sets the global descriptor table register. */
  public void gdt(long base, int limit) {
    kvm_dtable.base(kvm_sregs.gdt(block), base);
    kvm_dtable.limit(kvm_sregs.gdt(block), (short) limit);
  }

  /** Sets the interrupt descriptor table register. */
  public void idt(long base, int limit) {
    kvm_dtable.base(kvm_sregs.idt(block), base);
    kvm_dtable.limit(kvm_sregs.idt(block), (short) limit);
  }

  /** Control register 0. */
  public long cr0() {
    return kvm_sregs.cr0(block);
  }

  /** Control register 2. */
  public long cr2() {
    return kvm_sregs.cr2(block);
  }

  /** Control register 3. */
  public long cr3() {
    return kvm_sregs.cr3(block);
  }

  /** Control register 4. */
  public long cr4() {
    return kvm_sregs.cr4(block);
  }

  /** The EFER MSR. */
  public long efer() {
    return kvm_sregs.efer(block);
  }

  /**
   * Clears the APIC's global enable bit, as a CPU without an APIC has it. With the bit set, as it
   * is after reset, KVM shows the APIC in CPUID whatever the table says.
   */
  public void disableApic() {
    kvm_sregs.apic_base(block, kvm_sregs.apic_base(block) & ~APIC_GLOBAL_ENABLE);
  }

  /** Sets the control registers and EFER. */
  public void control(long cr0, long cr3, long cr4, long efer) {
    kvm_sregs.cr0(block, cr0);
    kvm_sregs.cr3(block, cr3);
    kvm_sregs.cr4(block, cr4);
    kvm_sregs.efer(block, efer);
  }
}
