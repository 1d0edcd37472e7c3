package lockstep.monitor.boot;

/**
 * The length of an instruction in 32-bit and 16-bit mode; what {@link Instruction} is for 64-bit
 * mode, with the same results. There is no REX, some short opcodes exist that 64-bit mode gave up,
 * and VEX begins where LES, LDS and BOUND would have a register operand (Intel SDM vol. 2, chapter
 * 2 and appendix A).
 */
final class LegacyInstruction {
  private LegacyInstruction() {}

  /**
   * Decodes one instruction.
   *
   * @param code the code
   * @param at where it begins
   * @param end where the code ends
   * @param bits 32 or 16: the size of operands and addresses without a prefix
   * @return as {@link Instruction#decode}
   */
  static int decode(byte[] code, int at, int end, int bits) {
    int limit = Math.min(end, at + Instruction.MAX_BYTES);
    int pos = at;
    boolean operand16 = bits == 16;
    boolean address16 = bits == 16;
    while (true) {
      if (pos >= limit) {
        return Instruction.INVALID;
      }
      int b = code[pos] & 0xff;
      if (!isPrefix(b)) {
        break;
      }
      operand16 ^= b == 0x66;
      address16 ^= b == 0x67;
      pos++;
    }
    int opcode = code[pos] & 0xff;
    int opcodeAt = pos - at;
    if (isVector(code, pos, limit)) {
      // The same bytes as in 64-bit mode, but for the addresses of the ModRM byte.
      int decoded = Instruction.decode(code, pos, limit);
      return decoded == Instruction.INVALID
          ? decoded
          : (opcodeAt + Instruction.length(decoded)) | opcodeAt << 8;
    }
    pos++;
    int kind = Instruction.OTHER;
    int flags;
    if (opcode == 0x0f) {
      if (pos >= limit) {
        return Instruction.INVALID;
      }
      int second = code[pos++] & 0xff;
      if (second == 0x38 || second == 0x3a) {
        pos++;
        flags = second == 0x38 ? Instruction.MODRM : Instruction.MODRM | 1;
      } else {
        flags = Instruction.map0f(second);
        kind = Instruction.kind(code, pos, limit, second);
        if (second >= 0x80 && second <= 0x8f) {
          flags = operand16 ? 2 : 4;
        }
      }
    } else {
      flags = oneByte(opcode, pos < limit ? code[pos] & 0xff : 0, operand16, address16);
    }
    if ((flags & Instruction.BAD) != 0) {
      return Instruction.INVALID;
    }
    if ((flags & Instruction.MODRM) != 0) {
      pos = address16 ? afterModRm16(code, pos, limit) : Instruction.afterModRm(code, pos, limit);
    }
    if ((flags & Instruction.IMM_Z) != 0) {
      pos += operand16 ? 2 : 4;
    }
    pos += flags & Instruction.IMM_MASK;
    return pos > limit ? Instruction.INVALID : (pos - at) | opcodeAt << 8 | kind << 16;
  }

  private static boolean isPrefix(int b) {
    return switch (b) {
      case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 -> true;
      default -> false;
    };
  }

  /** VEX, EVEX or XOP, told from LES, LDS, BOUND and POP by the byte after it. */
  private static boolean isVector(byte[] code, int pos, int limit) {
    if (pos + 1 >= limit) {
      return false;
    }
    int next = code[pos + 1] & 0xff;
    return switch (code[pos] & 0xff) {
      case 0x62, 0xc4, 0xc5 -> next >= 0xc0;
      case 0x8f -> (next & 0x1f) >= 8;
      default -> false;
    };
  }

  private static int oneByte(int opcode, int next, boolean operand16, boolean address16) {
    return switch (opcode) {
      // PUSH and POP of segments, the BCD adjustments, PUSHA, POPA, INTO, SALC.
      case 0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f -> 0;
      case 0x60, 0x61, 0xce, 0xd6 -> 0;
      case 0x62, 0xc4, 0xc5, 0x8f -> Instruction.MODRM;
      case 0x82 -> Instruction.MODRM | 1;
      case 0xd4, 0xd5 -> 1;
      // Far pointers.
      case 0x9a, 0xea -> operand16 ? 4 : 6;
      case 0xa0, 0xa1, 0xa2, 0xa3 -> address16 ? 2 : 4;
      case 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf -> operand16 ? 2 : 4;
      case 0xe8, 0xe9 -> operand16 ? 2 : 4;
      case 0xf6 -> (next & 0x38) <= 0x08 ? Instruction.MODRM | 1 : Instruction.MODRM;
      case 0xf7 ->
          (next & 0x38) <= 0x08 ? Instruction.MODRM | Instruction.IMM_Z : Instruction.MODRM;
      // INC and DEC, where 64-bit mode has REX.
      default -> opcode >= 0x40 && opcode <= 0x4f ? 0 : Instruction.oneByte(opcode);
    };
  }

  /** Intel SDM vol. 2, table 2-1. */
  private static int afterModRm16(byte[] code, int pos, int limit) {
    if (pos >= limit) {
      return limit + 1;
    }
    int modRm = code[pos] & 0xff;
    return switch (modRm >> 6) {
      case 0 -> (modRm & 7) == 6 ? pos + 3 : pos + 1;
      case 1 -> pos + 2;
      case 2 -> pos + 3;
      default -> pos + 1;
    };
  }
}
