package lockstep.cli.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import lockstep.monitor.input.CodeAt;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;

class DisassemblyTest {
  private static final CodeAt CODE =
      new CodeAt(0xffffffff81000010L, 64, bytes("e470 ffc0"), bytes("fa f4 e9fbffffff"));

  private static Bytes bytes(String hex) {
    return Bytes.copyOf(HexFormat.of().parseHex(hex.replace(" ", "")));
  }

  @Test
  void theInstructionAtRipIsMarkedAndThoseBeforeItLeadToIt() throws Exception {
    List<String> lines = Disassembly.of(CODE);
    List<String> marked = lines.stream().filter(line -> line.startsWith("=> ")).toList();
    assertEquals(1, marked.size(), lines.toString());
    assertTrue(marked.getFirst().contains("ffffffff81000010: fa"), lines.toString());
    if (Files.isExecutable(Path.of("/usr/bin/objdump"))) {
      assertTrue(marked.getFirst().endsWith("cli"), lines.toString());
      assertTrue(lines.getFirst().contains("in "), lines.toString());
      assertTrue(lines.get(1).contains("inc "), lines.toString());
    }
  }

  /**
   * 66 BA F8 03 must not be shown as MOV EDX from its second byte on, wherever the window begins.
   */
  @Test
  void theFirstInstructionShownIsAWholeOne() {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/objdump")), "no objdump");
    String turn = "66baf803 ee e2f9 "; // mov dx, 0x3f8; out dx, al; loop
    for (int from = 0; from < 7; from++) {
      String before = turn.repeat(10).replace(" ", "").substring(2 * from);
      List<String> lines =
          Disassembly.of(new CodeAt(0x100200, 32, bytes(before), bytes("66baf803 ee f4")));
      for (String line : lines.subList(0, 5)) {
        assertTrue(
            line.contains("mov    dx,0x3f8") || line.contains("out ") || line.contains("loop "),
            lines.toString());
      }
    }
  }

  @Test
  void withoutADisassemblerTheBytesAreShown() {
    assertEquals(
        List.of("=> ffffffff81000010: fa f4 e9 fb ff ff ff (install binutils to see instructions)"),
        Disassembly.of(CODE, "/no/such/objdump"));
  }

  @Test
  void codeThatIsNotThereIsSaidSo() {
    assertEquals(
        List.of("code at RIP 0x1234 is not in RAM"), Disassembly.of(CodeAt.nothing(0x1234)));
  }
}
