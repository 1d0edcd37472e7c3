package lockstep.kvm;

import lockstep.uapi.kvm_regs;

/** The general registers, with their place in struct kvm_regs. */
public enum Reg {
  RAX(kvm_regs.rax$offset()),
  RBX(kvm_regs.rbx$offset()),
  RCX(kvm_regs.rcx$offset()),
  RDX(kvm_regs.rdx$offset()),
  RSI(kvm_regs.rsi$offset()),
  RDI(kvm_regs.rdi$offset()),
  RSP(kvm_regs.rsp$offset()),
  RBP(kvm_regs.rbp$offset()),
  R8(kvm_regs.r8$offset()),
  R9(kvm_regs.r9$offset()),
  R10(kvm_regs.r10$offset()),
  R11(kvm_regs.r11$offset()),
  R12(kvm_regs.r12$offset()),
  R13(kvm_regs.r13$offset()),
  R14(kvm_regs.r14$offset()),
  R15(kvm_regs.r15$offset()),
  RIP(kvm_regs.rip$offset()),
  RFLAGS(kvm_regs.rflags$offset());

  private final long offset;

  Reg(long offset) {
    this.offset = offset;
  }

  long offset() {
    return offset;
  }
}
