package lockstep.sys;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Whether the JVM's own thread is found: without it a busy host delays every safepoint. */
class VmThreadTest {
  @Test
  void itIsFoundByItsName() throws Exception {
    int id = VmThread.id().orElseThrow();
    assertTrue(id > 0);
    Path comm = Path.of("/proc/self/task", String.valueOf(id), "comm");
    assertEquals("VM Thread", Files.readString(comm).strip());
  }
}
