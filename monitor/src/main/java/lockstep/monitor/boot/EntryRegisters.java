package lockstep.monitor.boot;

/**
 * The registers of the vCPU before its first instruction. Those not named are zero; DS serves for
 * ES, FS, GS and SS too. Fields go one to one into {@code struct kvm_regs} and {@code struct
 * kvm_sregs}.
 *
 * @param rip the first instruction, as an offset into CS
 * @param rsp the stack pointer
 * @param rax for Multiboot its magic
 * @param rbx for Multiboot the information structure
 * @param rdx for a flat image the boot drive
 * @param rsi for Linux the boot_params
 * @param rflags the flags; interrupts are always off
 * @param cs the code segment
 * @param ds every data segment
 * @param tr the task register
 * @param ldt the local descriptor table register
 * @param gdt the global descriptor table
 * @param idt the interrupt descriptor table
 * @param cr0 control register 0
 * @param cr3 control register 3
 * @param cr4 control register 4
 * @param efer the extended feature enable register
 */
public record EntryRegisters(
    long rip,
    long rsp,
    long rax,
    long rbx,
    long rdx,
    long rsi,
    long rflags,
    SegmentRegister cs,
    SegmentRegister ds,
    SegmentRegister tr,
    SegmentRegister ldt,
    TableRegister gdt,
    TableRegister idt,
    long cr0,
    long cr3,
    long cr4,
    long efer) {
  /**
   * A descriptor table register.
   *
   * @param base the linear address
   * @param limit the size in bytes less one
   */
  public record TableRegister(long base, int limit) {}
}
