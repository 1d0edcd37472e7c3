package lockstep.monitor.boot;

import lockstep.monitor.boot.EntryRegisters.TableRegister;

/** How a kernel is entered. {@link #registers} spells it out register by register. */
public sealed interface CpuEntry {
  /** RFLAGS with its one fixed bit: interrupts off, direction up. */
  long RFLAGS_FIXED = 0x2;

  /** CR0.PE. */
  long CR0_PE = 1;

  /** CR0.ET, always one on a CPU with an FPU. */
  long CR0_ET = 1 << 4;

  /** CR0.PG. */
  long CR0_PG = 1L << 31;

  /** CR4.PAE. */
  long CR4_PAE = 1 << 5;

  /** EFER.LME and EFER.LMA. */
  long EFER_LONG_MODE = 0x500;

  /** The registers before the first instruction. */
  EntryRegisters registers();

  /**
   * 16-bit real mode, all data segments 0, the IDT at 0 as after reset.
   *
   * @param cs the code segment
   * @param ip the offset in it
   * @param sp the stack pointer in segment 0
   * @param dl the boot drive
   */
  record RealMode(int cs, int ip, int sp, int dl) implements CpuEntry {
    @Override
    public EntryRegisters registers() {
      return new EntryRegisters(
          ip,
          sp,
          0,
          0,
          dl,
          0,
          RFLAGS_FIXED,
          SegmentRegister.realCode(cs),
          SegmentRegister.realData(0),
          SegmentRegister.task(),
          SegmentRegister.noLdt(),
          new TableRegister(0, 0xffff),
          new TableRegister(0, 0x3ff),
          CR0_ET,
          0,
          0,
          0);
    }
  }

  /**
   * 32-bit protected mode without paging, flat segments.
   *
   * @param eip the entry
   * @param esp a small stack that the kernel should not count on
   * @param eax the Multiboot magic
   * @param ebx the Multiboot information structure
   * @param gdt a table that holds the flat segments
   */
  record Protected32(long eip, long esp, long eax, long ebx, TableRegister gdt)
      implements CpuEntry {
    @Override
    public EntryRegisters registers() {
      return new EntryRegisters(
          eip,
          esp,
          eax,
          ebx,
          0,
          0,
          RFLAGS_FIXED,
          SegmentRegister.flatCode32(LowMemory.CODE_SELECTOR),
          SegmentRegister.flatData(LowMemory.DATA_SELECTOR),
          SegmentRegister.task(),
          SegmentRegister.noLdt(),
          gdt,
          new TableRegister(0, 0),
          CR0_PE | CR0_ET,
          0,
          0,
          0);
    }
  }

  /**
   * 64-bit mode with identity paging (Linux 64-bit boot protocol).
   *
   * @param rip the entry, a physical address
   * @param rsp a small stack
   * @param rsi the boot_params
   * @param cr3 the top-level page table
   * @param gdt a table with __BOOT_CS and __BOOT_DS
   */
  record Long64(long rip, long rsp, long rsi, long cr3, TableRegister gdt) implements CpuEntry {
    @Override
    public EntryRegisters registers() {
      return new EntryRegisters(
          rip,
          rsp,
          0,
          0,
          0,
          rsi,
          RFLAGS_FIXED,
          SegmentRegister.flatCode64(LowMemory.CODE_SELECTOR),
          SegmentRegister.flatData(LowMemory.DATA_SELECTOR),
          SegmentRegister.task(),
          SegmentRegister.noLdt(),
          gdt,
          new TableRegister(0, 0),
          CR0_PE | CR0_ET | CR0_PG,
          cr3,
          CR4_PAE,
          EFER_LONG_MODE);
    }
  }
}
