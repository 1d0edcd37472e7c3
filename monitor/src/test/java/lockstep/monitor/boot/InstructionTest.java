package lockstep.monitor.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Instruction lengths, one line for each rule of the encoding; wrong ones hide RDTSC sites. */
final class InstructionTest {
  @ParameterizedTest
  @CsvSource({
    "90, nop",
    "cc, int3",
    "c3, ret",
    "c20800, ret imm16",
    "c8100002, enter",
    "b80f310000, mov eax imm32 that holds 0f 31",
    "66b80f31, mov ax imm16 that holds 0f 31",
    "48b80f310f310f310f31, mov rax imm64 that holds 0f 31",
    "40b80f310000, REX without W",
    "48a10f310f310f310f31, moffs64",
    "67a10f310f31, moffs32",
    "a00f310f310f310f31, moffs of a byte",
    "f6c20f, test dl imm8",
    "f6d2, not dl",
    "f7c20f310000, test edx imm32",
    "66f7c20f31, test dx imm16",
    "f7d2, not edx",
    "8b4508, disp8",
    "8b850f310000, disp32",
    "8b050f310000, RIP-relative",
    "8b04250f310000, SIB without base",
    "8b44240f, SIB disp8",
    "8b84240f310000, SIB disp32",
    "8b0424, SIB with base",
    "8b44650f, SIB base rbp disp8",
    "69c20f310000, imul imm32",
    "6bc20f, imul imm8",
    "680f310000, push imm32",
    "66680f31, push imm16",
    "e80f310000, call",
    "66e80f310000, call with operand size prefix",
    "0f840f310000, jcc near",
    "740f, jcc short",
    "f390, pause",
    "f20f1005a00f0000, movsd",
    "660f6f05a20f0000, movdqa",
    "0fa4c20f, shld imm8",
    "0fbae20f, bt imm8",
    "660f73d80f, psrldq imm8",
    "660f3a0fc20f, palignr",
    "660f3800c2, pshufb",
    "0f0b, ud2",
    "0fb90f, ud1 with memory",
    "0f1f8400a20f3100, long nop",
    "662e0f1f840000000000, padded nop",
    "0f0fc2b7, 3DNow",
    "660f78c0310f, extrq",
    "f20f78c0310f, insertq",
    "0f78c2, vmread",
    "c5f877, vzeroupper",
    "c5f9700f31, vpshufd imm8",
    "c5fc2805a20f0000, VEX2 with memory",
    "c4e27d18050f310000, VEX3 map 2",
    "c4e37d0fc10f, VEX3 map 3 imm8",
    "c4e1f970c10f, VEX3 map 1 imm8",
    "62f17c48280510000000, EVEX map 1",
    "62f3fd4825c00f, EVEX map 3 imm8",
    "62f27d48184510, EVEX map 2 disp8",
    "8fe878c0c10f, XOP map 8 imm8",
    "8fe97801c1, XOP map 9",
    "8fea7810c10f310000, XOP map 10 imm32",
    "8f00, pop memory",
    "0f01f8, swapgs",
    "0f01ca, clac",
    "0f0105a20f0000, sgdt",
    "f3480fc7f8, rdpid",
    "48cf, iretq",
    "6448c704250f31000000000000, segment and REX and disp32 and imm32"
  })
  void lengthIsThatOfTheWholeEncoding(String hex, String meaning) {
    byte[] code = HexFormat.of().parseHex(hex + "90909090909090909090");
    int decoded = Instruction.decode(code, 0, code.length);
    assertEquals(hex.length() / 2, Instruction.length(decoded), meaning);
    assertEquals(Instruction.OTHER, Instruction.kind(decoded), meaning);
    for (int cut = 0; cut < hex.length() / 2; cut++) {
      assertEquals(Instruction.INVALID, Instruction.decode(code, 0, cut), meaning + " cut off");
    }
  }

  @ParameterizedTest
  @CsvSource({"06", "27", "60", "82c001", "9a", "d4", "ea", "0f04", "0f24", "62f07c4828c0"})
  void bytesThatAreNoInstructionAreInvalid(String hex) {
    byte[] code = HexFormat.of().parseHex(hex + "90909090909090909090");
    assertEquals(Instruction.INVALID, Instruction.decode(code, 0, code.length), hex);
  }

  @ParameterizedTest
  @CsvSource({
    "0f31, 1, 2, 0",
    "480f31, 1, 3, 1",
    "660f31, 1, 3, 1",
    "0f01f9, 2, 3, 0",
    "0fa2, 3, 2, 0",
    "2e0fa2, 3, 3, 1"
  })
  void replacedInstructionsAreKnown(String hex, int kind, int length, int opcodeAt) {
    byte[] code = HexFormat.of().parseHex(hex);
    int decoded = Instruction.decode(code, 0, code.length);
    assertEquals(kind, Instruction.kind(decoded), hex);
    assertEquals(length, Instruction.length(decoded), hex);
    assertEquals(opcodeAt, Instruction.opcodeAt(decoded), hex);
  }

  @Test
  void sixteenBytesAreNoInstruction() {
    byte[] code = HexFormat.of().parseHex("2e".repeat(14) + "90" + "90");
    assertEquals(15, Instruction.length(Instruction.decode(code, 0, code.length)));
    byte[] longer = HexFormat.of().parseHex("2e".repeat(15) + "90");
    assertEquals(Instruction.INVALID, Instruction.decode(longer, 0, longer.length));
  }
}
