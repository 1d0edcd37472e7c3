package lockstep.monitor.boot;

import java.util.Arrays;

/**
 * The length of an instruction in 64-bit mode (Intel SDM vol. 2, chapter 2 and appendix A; AMD APM
 * vol. 3, chapter 1 for XOP and 3DNow!), and whether it is one of those that the monitor replaces.
 * Nothing else about the instruction is decoded, and operands are not checked: a sequence that a
 * CPU refuses may have a length here. No state, no allocation.
 */
final class Instruction {
  /** The architecture's limit. */
  static final int MAX_BYTES = 15;

  /** What {@link #decode} returns for bytes that are no instruction, or are cut off. */
  static final int INVALID = 0;

  static final int OTHER = 0;
  static final int RDTSC = 1;
  static final int RDTSCP = 2;
  static final int CPUID = 3;

  static final int MODRM = 0x10;
  static final int IMM_Z = 0x20;
  private static final int SPECIAL = 0x40;
  static final int BAD = 0x80;
  private static final int PREFIX = 0x100;

  /** Low four bits: bytes of immediate that do not depend on prefixes. */
  static final int IMM_MASK = 0xf;

  private static final short[] ONE_BYTE = oneByteMap();
  private static final short[] MAP_0F = map0f();

  private Instruction() {}

  /**
   * Decodes one instruction.
   *
   * @param code the code
   * @param at where it begins
   * @param end where the code ends
   * @return {@link #INVALID}, or a value for {@link #length}, {@link #kind} and {@link #opcodeAt}
   */
  static int decode(byte[] code, int at, int end) {
    int limit = Math.min(end, at + MAX_BYTES);
    int pos = at;
    boolean operand16 = false;
    boolean address32 = false;
    boolean repne = false;
    int rex = 0;
    while (true) {
      if (pos >= limit) {
        return INVALID;
      }
      int b = code[pos] & 0xff;
      if ((ONE_BYTE[b] & PREFIX) == 0) {
        break;
      }
      // A REX prefix counts only right before the opcode.
      rex = (b & 0xf0) == 0x40 ? b : 0;
      operand16 |= b == 0x66;
      address32 |= b == 0x67;
      repne |= b == 0xf2;
      pos++;
    }
    int opcode = code[pos] & 0xff;
    int opcodeAt = pos - at;
    pos++;
    int kind = OTHER;
    int flags;
    if (opcode == 0x0f) {
      if (pos >= limit) {
        return INVALID;
      }
      int second = code[pos++] & 0xff;
      if (second == 0x38 || second == 0x3a) {
        pos++;
        flags = second == 0x38 ? MODRM : MODRM | 1;
      } else {
        flags = MAP_0F[second];
        kind = kind(code, pos, limit, second);
        if (second == 0x78 && (operand16 || repne)) {
          // EXTRQ and INSERTQ of SSE4a share the opcode with VMREAD.
          flags = MODRM | 2;
        }
      }
    } else {
      flags = ONE_BYTE[opcode];
      if ((flags & SPECIAL) != 0) {
        long special = special(code, pos, limit, opcode, rex, operand16, address32);
        flags = (int) special;
        pos += (int) (special >>> 32);
      }
    }
    if ((flags & BAD) != 0) {
      return INVALID;
    }
    if ((flags & MODRM) != 0) {
      pos = afterModRm(code, pos, limit);
    }
    if ((flags & IMM_Z) != 0) {
      pos += operand16 && (rex & 8) == 0 ? 2 : 4;
    }
    pos += flags & IMM_MASK;
    return pos > limit ? INVALID : (pos - at) | opcodeAt << 8 | kind << 16;
  }

  /** What an instruction with the opcode 0F and this one is; {@code pos} is after both. */
  static int kind(byte[] code, int pos, int limit, int second) {
    return switch (second) {
      case 0x31 -> RDTSC;
      case 0xa2 -> CPUID;
      case 0x01 -> pos < limit && code[pos] == (byte) 0xf9 ? RDTSCP : OTHER;
      default -> OTHER;
    };
  }

  /** What follows an opcode, as flags. */
  static int oneByte(int opcode) {
    return ONE_BYTE[opcode];
  }

  /** The same after 0F. */
  static int map0f(int opcode) {
    return MAP_0F[opcode];
  }

  /** The instruction's length in bytes. */
  static int length(int decoded) {
    return decoded & 0xff;
  }

  /** How many prefix bytes stand before the opcode. */
  static int opcodeAt(int decoded) {
    return decoded >> 8 & 0xff;
  }

  /** {@link #OTHER}, {@link #RDTSC}, {@link #RDTSCP} or {@link #CPUID}. */
  static int kind(int decoded) {
    return decoded >> 16;
  }

  static int afterModRm(byte[] code, int pos, int limit) {
    if (pos >= limit) {
      return limit + 1;
    }
    int modRm = code[pos++] & 0xff;
    int mod = modRm >> 6;
    int rm = modRm & 7;
    if (mod == 3) {
      return pos;
    }
    int base = rm;
    if (rm == 4) {
      if (pos >= limit) {
        return limit + 1;
      }
      base = code[pos++] & 7;
    }
    return switch (mod) {
      case 0 -> base == 5 ? pos + 4 : pos;
      case 1 -> pos + 1;
      default -> pos + 4;
    };
  }

  /** Flags in the low half, further opcode bytes in the high half. */
  private static long special(
      byte[] code, int pos, int limit, int opcode, int rex, boolean operand16, boolean address32) {
    int next = pos < limit ? code[pos] & 0xff : 0;
    return switch (opcode) {
      // MOV r64, imm64.
      case 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf -> (rex & 8) != 0 ? 8 : operand16 ? 2 : 4;
      // MOV with a full address.
      case 0xa0, 0xa1, 0xa2, 0xa3 -> address32 ? 4 : 8;
      // TEST has an immediate, the other six do not.
      case 0xf6 -> (next & 0x38) <= 0x08 ? MODRM | 1 : MODRM;
      case 0xf7 -> (next & 0x38) <= 0x08 ? MODRM | IMM_Z : MODRM;
      // POP, or XOP where the map number says so.
      case 0x8f -> (next & 0x1f) < 8 ? MODRM : xop(next & 0x1f);
      case 0xc5 -> vector(1, byteAt(code, pos + 1, limit), 1);
      case 0xc4 -> vector(next & 0x1f, byteAt(code, pos + 2, limit), 2);
      case 0x62 -> vector(next & 0x7, byteAt(code, pos + 3, limit), 3);
      default -> BAD;
    };
  }

  private static int byteAt(byte[] code, int pos, int limit) {
    return pos < limit ? code[pos] & 0xff : 0;
  }

  /** The rest of VEX and EVEX: payload bytes, opcode, ModRM, and an immediate by map and opcode. */
  private static long vector(int map, int opcode, int payloadBytes) {
    int flags =
        switch (map) {
          case 1 -> opcode == 0x77 ? 0 : (MAP_0F[opcode] & IMM_MASK) == 1 ? MODRM | 1 : MODRM;
          case 2, 4, 5, 6 -> MODRM;
          case 3 -> MODRM | 1;
          case 7 -> MODRM | 4;
          default -> BAD;
        };
    return flags | (long) (payloadBytes + 1) << 32;
  }

  private static long xop(int map) {
    int flags =
        switch (map) {
          case 8 -> MODRM | 1;
          case 9 -> MODRM;
          case 10 -> MODRM | 4;
          default -> BAD;
        };
    return flags | 3L << 32;
  }

  private static short[] oneByteMap() {
    short[] map = new short[256];
    for (int block = 0x00; block < 0x40; block += 8) {
      set(map, MODRM, block, block + 1, block + 2, block + 3);
      set(map, 1, block + 4);
      set(map, IMM_Z, block + 5);
    }
    set(map, BAD, 0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f);
    set(map, PREFIX, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3);
    range(map, 0x40, 0x4f, PREFIX);
    set(map, BAD, 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd5, 0xd6, 0xea);
    set(map, MODRM, 0x63, 0xd0, 0xd1, 0xd2, 0xd3, 0xfe, 0xff);
    set(map, IMM_Z, 0x68, 0xa9);
    set(map, MODRM | IMM_Z, 0x69, 0x81, 0xc7);
    set(map, 1, 0x6a, 0xa8, 0xcd, 0xeb);
    set(map, MODRM | 1, 0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6);
    range(map, 0x70, 0x7f, 1);
    range(map, 0x84, 0x8e, MODRM);
    range(map, 0xb0, 0xb7, 1);
    range(map, 0xd8, 0xdf, MODRM);
    range(map, 0xe0, 0xe7, 1);
    // Near branches take four bytes whatever the prefixes (Intel; as Linux's own decoder).
    set(map, 4, 0xe8, 0xe9);
    set(map, 2, 0xc2, 0xca);
    set(map, 3, 0xc8);
    range(map, 0xa0, 0xa3, SPECIAL);
    range(map, 0xb8, 0xbf, SPECIAL);
    set(map, SPECIAL, 0x62, 0x8f, 0xc4, 0xc5, 0xf6, 0xf7);
    return map;
  }

  private static short[] map0f() {
    short[] map = new short[256];
    range(map, 0x00, 0xff, MODRM);
    set(map, 0, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x0e, 0x77, 0xa0, 0xa1, 0xa2, 0xa8, 0xa9, 0xaa);
    range(map, 0x30, 0x37, 0);
    range(map, 0xc8, 0xcf, 0);
    range(map, 0x80, 0x8f, 4);
    range(map, 0x70, 0x73, MODRM | 1);
    set(map, MODRM | 1, 0x0f, 0xa4, 0xac, 0xba, 0xc2, 0xc4, 0xc5, 0xc6);
    set(map, BAD, 0x04, 0x0a, 0x0c, 0x24, 0x25, 0x26, 0x27, 0x36, 0x39);
    range(map, 0x3b, 0x3f, BAD);
    return map;
  }

  private static void set(short[] map, int flags, int... opcodes) {
    for (int opcode : opcodes) {
      map[opcode] = (short) flags;
    }
  }

  private static void range(short[] map, int from, int to, int flags) {
    Arrays.fill(map, from, to + 1, (short) flags);
  }
}
