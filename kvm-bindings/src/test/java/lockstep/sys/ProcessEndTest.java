package lockstep.sys;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** A process that cannot go on is gone at once, whatever its threads and its readers do. */
class ProcessEndTest {
  private static final int LIMIT_SECONDS = 60;
  private static final int MORE_THAN_A_PIPE = 1 << 20;

  /** Fails in a process of its own. */
  static final class Failing {
    private Failing() {}

    /** With an argument: first of all standard error is full, and nobody reads it. */
    public static void main(String[] args) throws InterruptedException {
      Runtime.getRuntime().addShutdownHook(new Thread(Failing::standForEver));
      Thread vital =
          Scheduler.HOST.thread(
              "vital",
              false,
              () -> {
                throw new AssertionError("planted");
              });
      if (args.length > 0) {
        Thread.ofPlatform().daemon().start(() -> System.err.print("x".repeat(MORE_THAN_A_PIPE)));
        Thread.sleep(500);
      }
      vital.start();
      standForEver();
    }

    private static void standForEver() {
      while (true) {
        java.util.concurrent.locks.LockSupport.park();
      }
    }
  }

  private static Process start(String... arguments) throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            Failing.class.getName());
    builder.command().addAll(List.of(arguments));
    return builder.start();
  }

  @Test
  void errorOfAVitalThreadEndsTheProcessAndSaysWhy() throws Exception {
    Process process = start();
    String said = new String(process.getErrorStream().readAllBytes(), UTF_8);
    assertTrue(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS));
    assertEquals(HostScheduler.FAIL_STOP, process.exitValue(), said);
    assertTrue(said.startsWith("lockstep: thread vital has failed"), said);
    assertTrue(said.endsWith("\r\n"), said);
  }

  @Test
  void standardErrorThatNobodyReadsKeepsNoProcessAlive() throws Exception {
    Process process = start("full");
    try {
      assertTrue(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS), "it stands");
      assertEquals(HostScheduler.FAIL_STOP, process.exitValue());
    } finally {
      process.destroyForcibly();
    }
  }
}
