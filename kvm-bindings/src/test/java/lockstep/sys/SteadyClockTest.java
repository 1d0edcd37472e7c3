package lockstep.sys;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The clock of leases rises, and is the kernel's. */
class SteadyClockTest {
  private static final double SECOND = 1e9;

  @Test
  void itRises() {
    long before = SteadyClock.nanos();
    for (int i = 0; i < 1_000; i++) {
      long now = SteadyClock.nanos();
      assertTrue(now >= before, before + " and then " + now);
      before = now;
    }
  }

  /** /proc/uptime is another of the kernel's clocks since the start, which is slewed. */
  @Test
  void itCountsSinceTheHostHasStarted() throws Exception {
    double before = SteadyClock.nanos() / SECOND;
    double uptime = Double.parseDouble(Files.readString(Path.of("/proc/uptime")).split(" ", -1)[0]);
    assertTrue(before < uptime * 1.11 + 1, before + " s, and up for " + uptime + " s");
  }
}
