package lockstep.testvms;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Users without an entry in /etc/passwd, as containers have them. */
class NamelessUserTest {
  private static final long LIMIT_SECONDS = 120;
  private static final int USER = 4242;

  @TempDir private Path directory = Path.of("");

  private record Said(int code, String text) {}

  /** {@code lockstep ps} as that user, who may read what this one may. */
  private Said ps() throws Exception {
    List<String> command = new ArrayList<>(List.of("setpriv"));
    command.addAll(List.of("--reuid", "" + USER, "--regid", "" + USER, "--clear-groups"));
    command.addAll(List.of("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"));
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"));
    command.add("-Djava.io.tmpdir=" + directory);
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of("lockstep.cli.Main", "ps"));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().remove("LOCKSTEP_RUN_DIR");
    builder.environment().remove("XDG_RUNTIME_DIR");
    Process process = builder.start();
    try {
      process.getOutputStream().close();
      String text = new String(process.getInputStream().readAllBytes(), UTF_8);
      assertTrue(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS), text);
      return new Said(process.exitValue(), text);
    } finally {
      process.destroyForcibly();
    }
  }

  @Test
  void theControlDirectoryIsThatOfTheUsersNumber() throws Exception {
    assumeTrue(Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0), "needs to be root");
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/setpriv")), "needs setpriv");
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxrwxrwx"));
    Said first = ps();
    assertEquals(0, first.code(), first.text());
    Path made = directory.resolve("lockstep-" + USER);
    assertEquals(USER, Files.getAttribute(made, "unix:uid"));
    Said second = ps();
    assertEquals(0, second.code(), second.text());
    Files.setAttribute(made, "unix:uid", USER + 1);
    Said others = ps();
    assertEquals(1, others.code(), others.text());
    assertTrue(others.text().contains("is not this user's alone"), others.text());
  }
}
