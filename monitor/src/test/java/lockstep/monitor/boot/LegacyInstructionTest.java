package lockstep.monitor.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HexFormat;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What 32-bit and 16-bit code has otherwise than 64-bit code; wrong lengths hide RDTSC sites. */
final class LegacyInstructionTest {
  @ParameterizedTest
  @CsvSource({
    "32, 40, inc eax",
    "32, 48, dec eax",
    "32, b80f310000, mov eax imm32",
    "32, 66b80f31, mov ax imm16",
    "32, a10f310000, mov eax moffs32",
    "32, 67a10f31, moffs16",
    "32, 60, pusha",
    "32, 1f, pop ds",
    "32, ea0f3100000800, far jump",
    "32, 66ea0f310800, far jump with 16-bit offset",
    "32, 9a0f3100000800, far call",
    "32, c4040f, les with SIB",
    "32, c5050f310000, lds",
    "32, 62410f, bound",
    "32, c5f877, vzeroupper",
    "32, 678b460f, disp8 of a 16-bit address",
    "32, 678b0e0f31, disp16 alone",
    "32, 8b0d0f310000, disp32 alone",
    "32, e80f310000, call",
    "32, 66e80f31, call with 16-bit offset",
    "32, 0f840f310000, jcc near",
    "32, 8f00, pop",
    "32, d40a, aam",
    "16, b80f31, mov ax imm16",
    "16, 66b80f310000, mov eax imm32",
    "16, e80f31, call",
    "16, 0f840f31, jcc near",
    "16, 8b0e0f31, disp16 alone",
    "16, 678b050f310000, disp32 alone",
    "16, ea0f310800, far jump",
    "16, a00f31, mov al moffs16",
    "16, 66c7060f3178563412, mov dword imm32",
  })
  void theWholeInstructionIsRead(int bits, String hex, String what) {
    byte[] code = HexFormat.of().parseHex(hex + "9090909090909090");
    int decoded = LegacyInstruction.decode(code, 0, code.length, bits);
    assertEquals(hex.length() / 2, Instruction.length(decoded), what);
    assertEquals(Instruction.OTHER, Instruction.kind(decoded), what);
  }

  @ParameterizedTest
  @CsvSource({"0f31, 1", "0f01f9, 2", "0fa2, 3", "660f31, 1", "0f01c8, 0"})
  void whatIsReplacedIsKnown(String hex, int kind) {
    byte[] code = HexFormat.of().parseHex(hex + "9090");
    for (int bits : new int[] {16, 32}) {
      int decoded = LegacyInstruction.decode(code, 0, code.length, bits);
      assertEquals(kind, Instruction.kind(decoded));
      assertEquals(hex.length() / 2, Instruction.length(decoded));
    }
  }
}
