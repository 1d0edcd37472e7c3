package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Stream;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;

/** The demo kills a VM only while it is protected, and says so when it is not. */
@KvmRequired
final class DemoTest {
  private static final String PROTECTED = "the VM is protected";
  private static final long LIMIT_SECONDS = 300;

  @Test
  void killedPrimaryLosesNothing() throws Exception {
    try (ConsoleSession demo = ConsoleSession.of("demo", "--guest", "bank")) {
      assertEquals(0, demo.exitCode(), demo::transcript);
      assertTrue(demo.transcript().contains("nothing was lost"), demo::transcript);
      int isProtected = demo.transcript().indexOf(PROTECTED);
      int isKilled = demo.transcript().indexOf("the primary is killed now");
      assertTrue(isProtected >= 0 && isProtected < isKilled, demo::transcript);
    }
  }

  @Test
  void lostBackupIsToldWithTheReasonAndThePrimaryIsNotKilled() throws Exception {
    try (ConsoleSession demo =
        ConsoleSession.of("demo", "--guest", "bank", "--transactions", "1000000")) {
      demo.await(PROTECTED, LIMIT_SECONDS);
      List<ProcessHandle> backups = backups().toList();
      assertEquals(1, backups.size(), demo::transcript);
      backups.getFirst().destroyForcibly();
      assertEquals(1, demo.exitCode(), demo::transcript);
      String said = demo.transcript();
      assertTrue(said.contains("protection was lost before the kill"), said);
      assertTrue(said.contains("the primary said"), said);
      assertFalse(said.contains("the primary is killed now"), said);
      assertFalse(said.contains("nothing was lost"), said);
    }
  }

  /** Of the demo that this test has started. */
  private static Stream<ProcessHandle> backups() {
    return ProcessHandle.current()
        .descendants()
        .filter(
            process ->
                process
                    .info()
                    .commandLine()
                    .map(line -> line.contains(" backup --name demo-backup-"))
                    .orElse(false));
  }
}
