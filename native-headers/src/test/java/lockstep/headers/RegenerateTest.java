package lockstep.headers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RegenerateTest {
  @Test
  void aCommittedSourceThatRegenerateWouldNotWriteIsNamed(@TempDir Path dir) throws Exception {
    if (System.getenv("JEXTRACT") == null) {
      String reason = "JEXTRACT is not set: committed sources not compared with regenerate's";
      System.out.println("SKIPPED " + reason);
      abort(reason);
    }
    Process process =
        new ProcessBuilder("./regenerate", dir.toString())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.INHERIT)
            .start();
    // Six runs of jextract take 15 to 20 s; five minutes only bound one that hangs.
    assertEquals(true, process.waitFor(5, TimeUnit.MINUTES));
    assertEquals(0, process.exitValue());
    Map<String, String> committed = read(Path.of("../kvm-bindings/src/main/java/lockstep/uapi"));
    Map<String, String> written = read(dir);
    assertEquals(written.keySet(), committed.keySet());
    written.forEach((file, text) -> assertEquals(text, committed.get(file), file));
  }

  private static Map<String, String> read(Path dir) throws IOException {
    Map<String, String> texts = new TreeMap<>();
    try (Stream<Path> files = Files.list(dir)) {
      for (Path file : files.filter(f -> !f.endsWith("package-info.java")).toList()) {
        texts.put(file.getFileName().toString(), Files.readString(file));
      }
    }
    return texts;
  }
}
