package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import lockstep.testing.KvmRequired;
import lockstep.testvms.FaultResults.Result;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Real faults on two hosts in network namespaces: processes killed, stopped and damaged, the
 * channel cut and throttled, the disk's test-and-set out of reach. Nothing may be lost, and one
 * side alone speaks.
 */
@KvmRequired
class FaultTest {
  private static final int ROUNDS = Integer.getInteger("fault.rounds", 200);

  @TempDir private Path directory = Path.of("");
  @TempDir private Path outside = Path.of("");

  @BeforeAll
  static void needsNamespaces() {
    Optional<String> complaint = TwoHosts.complaint();
    assumeTrue(complaint.isEmpty(), () -> "no network namespaces: " + complaint.get());
  }

  /** Errors thrown through the JVM's debug library, which crashes at times, are for campaigns. */
  @ParameterizedTest
  @EnumSource(value = Fault.class, mode = EnumSource.Mode.MATCH_NONE, names = ".*_VCPU_ERROR")
  void nothingIsLostAndOneSideSpeaks(Fault fault) throws Exception {
    try (TwoHosts hosts = new TwoHosts();
        FaultyPair pair = new FaultyPair(directory, hosts, new Random(1), fault)) {
      Thread.sleep(300);
      System.out.println(pair.suffer());
    }
  }

  /** -Dfault.rounds=N for another number, -Dfault.seed=N for the same again. */
  @Test
  @Tag("long")
  void nothingIsLostInTwoHundredRounds() throws Exception {
    long seed = Long.getLong("fault.seed", System.nanoTime());
    System.out.println("FaultTest seed " + seed);
    FaultResults results = new FaultResults(outside.resolve("results"));
    new FaultCampaign(results, directory).run(ROUNDS, Long.MAX_VALUE, new Random(seed));
    System.out.println(results.table());
    List<Result> failed = results.all().stream().filter(result -> !result.isRecovered()).toList();
    assertEquals(List.of(), failed);
  }
}
