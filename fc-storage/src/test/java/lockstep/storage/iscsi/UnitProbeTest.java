package lockstep.storage.iscsi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import lockstep.monitor.state.Bytes;
import lockstep.storage.scsi.PersistentReserve;
import lockstep.storage.scsi.Reservations;
import lockstep.storage.scsi.ScsiReply;
import lockstep.storage.scsi.ScsiTransport;
import lockstep.storage.scsi.Sense;
import lockstep.storage.scsi.UnitFacts;
import lockstep.storage.scsi.UnitProbe;
import lockstep.storage.scsi.UnitProbe.Tried;
import lockstep.testing.Tgtd;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a probe says of a real target, and of targets that break their promises. */
class UnitProbeTest {
  private static final int MILLIS = 5_000;
  private static final int IMAGE_BYTES = 1 << 20;

  @TempDir private Path directory = Path.of("");
  private Path image = Path.of("");
  private Tgtd tgtd;
  private IscsiSession one;
  private IscsiSession two;

  @BeforeEach
  void start() throws Exception {
    image = directory.resolve("disk.img");
    byte[] content = new byte[IMAGE_BYTES];
    new java.util.Random(1).nextBytes(content);
    Files.write(image, content);
    tgtd = Tgtd.start(image);
    one = IscsiSession.open(IscsiAddress.parse(tgtd.address(1, "")), IscsiTimes.USUAL);
    two = IscsiSession.open(IscsiAddress.parse(tgtd.address(1, "")), IscsiTimes.USUAL);
  }

  @AfterEach
  void stop() throws Exception {
    for (AutoCloseable each : new AutoCloseable[] {one, two, tgtd}) {
      if (each != null) {
        each.close();
      }
    }
  }

  private UnitProbe.Guarantees probe(ScsiTransport first) throws IOException {
    return UnitProbe.of(first, Optional.of(two), UnitFacts.of(one), MILLIS);
  }

  private Reservations reservations(ScsiTransport unit) {
    return new Reservations(unit, PersistentReserve.Type.WRITE_EXCLUSIVE, MILLIS);
  }

  @Test
  void realTargetFencesForgetsAndIsLeftAsItWas() throws Exception {
    byte[] before = Files.readAllBytes(image);
    UnitProbe.Guarantees found = probe(one);
    System.out.println("UnitProbeTest: " + found);
    assertFalse(found.persistent(), "tgtd has no APTPL");
    assertEquals(Tried.YES, found.fencesStrangers());
    assertEquals(Tried.YES, found.preempts());
    assertEquals(Tried.YES, found.fencesLosers());
    assertEquals(Tried.YES, found.resets());
    assertEquals(0, found.after());
    assertTrue(found.before() > 0, "nothing was written");
    assertArrayEquals(before, Files.readAllBytes(image));
    assertEquals(java.util.List.of(), reservations(one).keys().keys());
    assertEquals(Optional.empty(), reservations(one).reservation());
  }

  @Test
  void diskThatSomebodyIsRegisteredOnIsLeftAlone() throws Exception {
    assertTrue(
        reservations(two)
            .change(PersistentReserve.Out.REGISTER_AND_IGNORE_EXISTING_KEY, 0, 5, false));
    IOException refused = assertThrows(IOException.class, () -> probe(one));
    assertTrue(String.valueOf(refused.getMessage()).contains("in use"), refused.toString());
    assertEquals(java.util.List.of(5L), reservations(one).keys().keys());
  }

  @Test
  void anotherDiskAsSecondWayIsNotWritten() throws Exception {
    Path other = Files.write(directory.resolve("other.img"), new byte[IMAGE_BYTES]);
    tgtd.unit(2, other);
    two.close();
    two = IscsiSession.open(IscsiAddress.parse(tgtd.address(2, "")), IscsiTimes.USUAL);
    IOException refused = assertThrows(IOException.class, () -> probe(one));
    assertTrue(String.valueOf(refused.getMessage()).contains("not the same disk"));
    assertArrayEquals(new byte[IMAGE_BYTES], Files.readAllBytes(other));
    assertEquals(java.util.List.of(), reservations(one).keys().keys());
  }

  /** A planted fault: whatever the target says to the loser's writes, they are reported as done. */
  @Test
  void targetThatTakesTheLosersWritesIsFoundOut() throws Exception {
    UnitProbe.Guarantees found =
        probe(
            new ScsiTransport() {
              @Override
              public ScsiReply execute(Bytes cdb, Bytes out, int inBytes, int millis)
                  throws IOException {
                ScsiReply reply = one.execute(cdb, out, inBytes, millis);
                return cdb.at(0) == 0x8a
                    ? new ScsiReply(ScsiReply.GOOD, Sense.NONE, Bytes.empty())
                    : reply;
              }

              @Override
              public void resetUnit(int millis) throws IOException {
                one.resetUnit(millis);
              }

              @Override
              public String name() {
                return one.name();
              }
            });
    assertEquals(Tried.NO, found.fencesLosers(), found.toString());
    assertTrue(found.after() > 0, found.toString());
  }
}
