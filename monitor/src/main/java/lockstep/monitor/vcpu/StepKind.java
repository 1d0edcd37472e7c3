package lockstep.monitor.vcpu;

/**
 * What an instruction asks of whoever single-steps over it (docs/determinism.md, "Hazards"). Source
 * of the opcodes: AMD64 Architecture Programmer's Manual, volume 3.
 */
enum StepKind {
  /** Nothing. */
  PLAIN,
  /** PUSHF: the image on the stack has TF set, which is not the guest's. */
  PUSHES_FLAGS,
  /** POPF: its image decides about TF. */
  POPS_FLAGS,
  /** IRET: the same with a frame. */
  INTERRUPT_RETURN,
  /** STI: the next instruction is in its shadow. */
  STI,
  /** HLT: exits by itself, and some KVMs forget that under a step. */
  HALT,
  /**
   * Not to be stepped over: it saves RFLAGS where no clean-up finds them (INT n, SYSCALL), holds
   * off the debug exception (MOV SS), is done by KVM itself, which may then go on (CPUID), or is a
   * string instruction with a count, whose turns a CPU steps one by one and an emulator need not.
   */
  REFUSED;

  private static final int MAX_PREFIXES = 14;

  /**
   * Looks at the instruction that {@code code} begins with.
   *
   * @param code its bytes, up to 15; one that is cut off is refused
   * @param longMode whether CS is a 64-bit code segment
   */
  static StepKind of(byte[] code, boolean longMode) {
    int at = 0;
    boolean repeat = false;
    while (at < Math.min(code.length, MAX_PREFIXES) && isPrefix(code[at] & 0xff, longMode)) {
      repeat |= (code[at] & 0xfe) == 0xf2;
      at++;
    }
    if (at + 1 >= code.length) {
      return REFUSED;
    }
    int opcode = code[at] & 0xff;
    int next = code[at + 1] & 0xff;
    return switch (opcode) {
      case 0x9c -> PUSHES_FLAGS;
      case 0x9d -> POPS_FLAGS;
      case 0xcf -> INTERRUPT_RETURN;
      case 0xfb -> STI;
      case 0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf ->
          repeat ? REFUSED : PLAIN;
      case 0x8e -> ((next >> 3) & 7) == 2 ? REFUSED : PLAIN; // MOV SS
      case 0xf4 -> HALT;
      case 0x17, 0x9b, 0xcc, 0xcd, 0xce, 0xf1 -> REFUSED; // POP SS, FWAIT, INT
      case 0x0f -> twoBytes(next);
      default -> PLAIN;
    };
  }

  private static StepKind twoBytes(int opcode) {
    return switch (opcode) {
      case 0x05, 0x07, 0x34, 0x35 -> REFUSED; // SYSCALL, SYSRET, SYSENTER, SYSEXIT
      case 0x0b, 0xb9, 0xff -> REFUSED; // UD2, UD1, UD0
      case 0x21, 0x23 -> REFUSED; // MOV from and to debug registers
      case 0xa2, 0xb2 -> REFUSED; // CPUID, LSS
      default -> PLAIN;
    };
  }

  private static boolean isPrefix(int value, boolean longMode) {
    return switch (value) {
      case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 -> true;
      default -> longMode && (value & 0xf0) == 0x40;
    };
  }
}
