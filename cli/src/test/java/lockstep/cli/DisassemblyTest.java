package lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
