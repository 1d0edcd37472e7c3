package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import lockstep.testvms.FaultResults.Result;
import lockstep.testvms.FaultyPair.Survivor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A campaign whose results are counted wrong proves nothing. */
final class FaultResultsTest {
  @TempDir private Path directory = Path.of("");

  @Test
  void nextSliceCountsTheResultsOfTheOneBefore() throws Exception {
    Path file = directory.resolve("results");
    FaultResults first = new FaultResults(file);
    first.add(Result.recovered(Fault.PRIMARY_KILLED, Survivor.BACKUP, 46.2));
    first.add(Result.failed(Fault.CHANNEL_CUT, "both spoke\nand more"));
    FaultResults next = new FaultResults(file);
    assertEquals(first.all(), next.all());
    assertEquals(1, next.count(Fault.PRIMARY_KILLED));
    assertEquals(0, next.count(Fault.BACKUP_KILLED));
  }

  @Test
  void tableCountsAFailureAsNotRecoveredAndLeavesItOutOfTheTimes() throws Exception {
    FaultResults results = new FaultResults(directory.resolve("results"));
    for (int i = 1; i <= 100; i++) {
      results.add(Result.recovered(Fault.PRIMARY_KILLED, Survivor.BACKUP, i));
    }
    results.add(Result.failed(Fault.PRIMARY_KILLED, "transaction 7 was shown and is not there"));
    String table = results.table();
    assertTrue(
        table.contains("| primary killed | 101 | 100 | backup 100 | 50 | 99 | 100 |"), table);
    assertTrue(table.contains("| all | 101 | 100 |"), table);
  }

  @Test
  void pictureHasABarForEachKind() throws Exception {
    FaultResults results = new FaultResults(directory.resolve("results"));
    results.add(Result.recovered(Fault.PRIMARY_KILLED, Survivor.BACKUP, 46));
    results.add(Result.recovered(Fault.BACKUP_KILLED, Survivor.PRIMARY, 3));
    String svg = results.picture();
    assertTrue(svg.contains("primary killed (1)"), svg);
    assertTrue(svg.contains("backup killed (1)"), svg);
    assertTrue(svg.strip().endsWith("</svg>"), svg);
  }
}
