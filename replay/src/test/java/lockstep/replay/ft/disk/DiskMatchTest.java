package lockstep.replay.ft.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import lockstep.monitor.block.Geometry;
import org.junit.jupiter.api.Test;

/** With which disks a backup is refused, and that the line says why. */
class DiskMatchTest {
  private static final Geometry VM = new Geometry(1 << 20, 512, false, true);

  private static void refused(Geometry here, String why) {
    String line = DiskMatch.objection(List.of(VM), List.of(here)).orElse("");
    assertTrue(line.contains(why), line);
    assertEquals(1, line.lines().count());
  }

  @Test
  void theSameOneIsTaken() {
    assertEquals(Optional.empty(), DiskMatch.objection(List.of(VM), List.of(VM)));
  }

  @Test
  void everyOtherOneIsRefusedByName() {
    String none = DiskMatch.objection(List.of(VM), List.of()).orElse("");
    assertTrue(none.contains("without --disk"), none);
    refused(new Geometry(1 << 16, 512, false, true), "65536");
    refused(new Geometry(1 << 21, 512, false, true), "2097152");
    refused(new Geometry(1 << 20, 4096, false, true), "4096");
    refused(new Geometry(1 << 20, 512, true, false), "only read");
    refused(new Geometry(1 << 20, 512, false, false), "give back blocks");
  }

  @Test
  void aGuestThatDoesNotWriteNeedsNoPermission() {
    Geometry readOnly = new Geometry(1 << 20, 512, true, false);
    assertEquals(Optional.empty(), DiskMatch.objection(List.of(readOnly), List.of(readOnly)));
    assertEquals(
        Optional.empty(),
        DiskMatch.objection(List.of(readOnly), List.of(new Geometry(1 << 20, 512, false, true))));
  }

  @Test
  void ofSeveralEachIsCompared() {
    Geometry second = new Geometry(1 << 21, 512, false, true);
    List<Geometry> wanted = List.of(VM, second);
    assertEquals(Optional.empty(), DiskMatch.objection(wanted, List.of(VM, second)));
    String swapped = DiskMatch.objection(wanted, List.of(VM, VM)).orElse("");
    assertTrue(swapped.contains("disk 1 has 2097152 bytes"), swapped);
    String fewer = DiskMatch.objection(wanted, List.of(VM)).orElse("");
    assertTrue(fewer.contains("has 2 disks, and this backup was started with 1"), fewer);
  }
}
