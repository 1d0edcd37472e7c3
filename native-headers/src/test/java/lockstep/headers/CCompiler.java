package lockstep.headers;

import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The host's C compiler with the umbrella headers in its include path. */
final class CCompiler {
  static final Path HEADERS = Path.of("headers").toAbsolutePath();

  private CCompiler() {}

  /** Skips the calling test, saying why, unless the host can compile all umbrella headers. */
  static void require(List<SymbolList> lists, Path dir) throws IOException, InterruptedException {
    StringBuilder all = new StringBuilder();
    for (SymbolList list : lists) {
      all.append("#include \"%s.h\"\n".formatted(list.header()));
    }
    String errors;
    try {
      errors = errors(all.toString(), dir, "-fsyntax-only");
    } catch (IOException e) {
      skip("no C compiler: " + e.getMessage());
      return;
    }
    errors
        .lines()
        .filter(line -> line.contains("No such file or directory"))
        .findFirst()
        .ifPresent(line -> skip("the host lacks C headers: " + line));
  }

  private static void skip(String reason) {
    System.out.println("SKIPPED header audit: " + reason);
    abort(reason);
  }

  /** Compiles a program and returns the compiler's errors, empty if there are none. */
  static String errors(String program, Path dir, String... options)
      throws IOException, InterruptedException {
    Path source = Files.writeString(dir.resolve("audit.c"), program);
    Path log = dir.resolve("audit.log");
    List<String> command = new ArrayList<>(List.of("cc", "-std=gnu11", "-w", "-I"));
    command.add(HEADERS.toString());
    command.addAll(List.of(options));
    command.add(source.toString());
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
    builder.environment().put("LC_ALL", "C");
    Process cc = builder.start();
    // A minute is far above the second this takes; it only bounds a compiler that hangs.
    if (!cc.waitFor(60, TimeUnit.SECONDS)) {
      cc.destroyForcibly();
      throw new IOException("cc did not end within 60 s: " + command);
    }
    String output = Files.readString(log, StandardCharsets.UTF_8);
    if (cc.exitValue() != 0 && output.isEmpty()) {
      return "cc ended with " + cc.exitValue();
    }
    return cc.exitValue() == 0 ? "" : output;
  }
}
