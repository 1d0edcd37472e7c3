package lockstep.cli.run;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.monitor.input.CodeAt;

/**
 * The code around RIP for a report: as instructions where the host has objdump (GNU binutils), as
 * bytes where not (docs/adr/0003).
 */
final class Disassembly {
  private static final String OBJDUMP = "objdump";

  /** It takes milliseconds; a report must not hang. */
  private static final long LIMIT_SECONDS = 5;

  private static final int SHOWN_BEFORE = 5;
  private static final int SHOWN_AFTER = 6;

  /**
   * Wherever a disassembly of x86 code begins, it is soon in step with the code: after so many
   * bytes it has met the beginning of an instruction, but for rare cases.
   */
  private static final int IN_STEP_BYTES = 24;

  private static final Pattern LINE = Pattern.compile("\\s*([0-9a-f]+):\\s+(.*\\S)\\s*");

  private Disassembly() {}

  /** Lines of text; RIP's is marked with an arrow. */
  static List<String> of(CodeAt code) {
    return of(code, OBJDUMP);
  }

  /** The same with another program in objdump's place. */
  static List<String> of(CodeAt code, String objdump) {
    byte[] from = code.from().toArray();
    if (from.length == 0) {
      return List.of("code at RIP 0x%x is not in RAM".formatted(code.rip()));
    }
    try {
      Optional<List<String>> lines = disassemble(code, objdump);
      if (lines.isPresent()) {
        return lines.get();
      }
    } catch (IOException e) {
      // There is no such program: the bytes must do.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return List.of(
        String.format(
            Locale.ROOT,
            "=> %x: %s (install binutils to see instructions)",
            code.rip(),
            HexFormat.ofDelimiter(" ").formatHex(from)));
  }

  /**
   * Instructions before RIP have no known beginning: the longest start from which they lead exactly
   * to RIP is taken, and what may be the rest of an instruction is left out.
   */
  private static Optional<List<String>> disassemble(CodeAt code, String objdump)
      throws IOException, InterruptedException {
    Path file = Files.createTempFile("lockstep-code", ".bin");
    try {
      byte[] before = code.before().toArray();
      byte[] from = code.from().toArray();
      for (int lead = before.length; lead >= 0; lead--) {
        byte[] bytes = new byte[lead + from.length];
        System.arraycopy(before, before.length - lead, bytes, 0, lead);
        System.arraycopy(from, 0, bytes, lead, from.length);
        Files.write(file, bytes);
        Optional<List<String>> lines = run(objdump, file, code.rip() - lead, code);
        if (lines.isPresent()) {
          return lines;
        }
      }
      return Optional.empty();
    } finally {
      Files.deleteIfExists(file);
    }
  }

  /** Empty unless an instruction begins at RIP, and none before it is nonsense. */
  private static Optional<List<String>> run(String objdump, Path file, long start, CodeAt code)
      throws IOException, InterruptedException {
    String machine =
        switch (code.bits()) {
          case 16 -> "i8086";
          case 32 -> "i386";
          default -> "i386:x86-64";
        };
    Process process =
        new ProcessBuilder(
                objdump,
                "-D",
                "-b",
                "binary",
                "-m",
                machine,
                "-M",
                "intel",
                "--adjust-vma=0x" + Long.toHexString(start),
                file.toString())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    String text;
    try {
      process.getOutputStream().close();
      text = new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
      if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS) || process.exitValue() != 0) {
        return Optional.empty();
      }
    } finally {
      process.destroyForcibly();
    }
    return lines(text, start, code.rip());
  }

  private static Optional<List<String>> lines(String text, long start, long rip) {
    List<String> lines = new ArrayList<>();
    int before = 0;
    int after = 0;
    for (String line : text.lines().toList()) {
      Matcher matcher = LINE.matcher(line);
      if (!matcher.matches() || after > SHOWN_AFTER) {
        continue;
      }
      long address = Long.parseUnsignedLong(matcher.group(1), 16);
      boolean here = address == rip;
      if (after == 0 && !here && matcher.group(2).contains("(bad)")) {
        return Optional.empty();
      }
      after += here || after > 0 ? 1 : 0;
      if (after == 0) {
        if (rip - start > IN_STEP_BYTES && address - start < IN_STEP_BYTES) {
          continue;
        }
        if (++before > SHOWN_BEFORE) {
          lines.removeFirst();
        }
      }
      lines.add((here ? "=> " : "   ") + line.strip().replace('\t', ' '));
    }
    return after > 0 ? Optional.of(lines) : Optional.empty();
  }
}
