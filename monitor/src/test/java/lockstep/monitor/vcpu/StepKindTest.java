package lockstep.monitor.vcpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class StepKindTest {
  @ParameterizedTest
  @CsvSource({
    "9c90, PUSHES_FLAGS", // pushfq
    "669c90, PUSHES_FLAGS", // pushfw
    "9d90, POPS_FLAGS", // popfq
    "48cf90, INTERRUPT_RETURN", // iretq
    "fb90, STI",
    "f3a490, REFUSED", // rep movsb
    "f348ab90, REFUSED", // rep stosq
    "f2ae90, REFUSED", // repne scasb
    "a490, PLAIN", // movsb
    "669090, PLAIN", // a NOP with a prefix is no string instruction
    "f3909090, PLAIN", // pause
    "f36c90, REFUSED", // rep insb
    "e461, PLAIN", // in al, 0x61
    "8ed1, REFUSED", // mov ss, ecx
    "418ed1, REFUSED", // mov ss, r9d
    "8ed9, PLAIN", // mov ds, ecx
    "cd80, REFUSED", // int 0x80
    "cc90, REFUSED", // int3
    "f490, HALT", // hlt
    "9b90, REFUSED", // fwait
    "0f05, REFUSED", // syscall
    "480f07, REFUSED", // sysretq
    "0fa2, REFUSED", // cpuid
    "0fb20f, REFUSED", // lss
    "0f0b90, REFUSED", // ud2
    "0f1f00, PLAIN", // nop
    "8b06, PLAIN" // mov eax, [rsi]
  })
  void anInstructionThatASingleStepChangesIsTakenForAnOrdinaryOne(String code, StepKind kind) {
    assertEquals(kind, StepKind.of(HexFormat.of().parseHex(code), true));
  }

  @Test
  void aRexPrefixIsTakenForOneOutsideLongMode() {
    // inc eax; pushf: 32-bit code
    byte[] code = HexFormat.of().parseHex("409c90");
    assertEquals(StepKind.PLAIN, StepKind.of(code, false));
    assertEquals(StepKind.PUSHES_FLAGS, StepKind.of(code, true));
  }

  @Test
  void anInstructionCutOffByAnUnmappedPageIsSteppedOver() {
    assertEquals(StepKind.REFUSED, StepKind.of(new byte[0], true));
    assertEquals(StepKind.REFUSED, StepKind.of(HexFormat.of().parseHex("0f"), true));
    assertEquals(StepKind.REFUSED, StepKind.of(HexFormat.of().parseHex("66".repeat(15)), true));
  }
}
