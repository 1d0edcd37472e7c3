package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import lockstep.testing.KvmRequired;
import lockstep.testvms.FaultyPair.Fault;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Real faults on two hosts in network namespaces: processes killed and stopped, the channel cut and
 * throttled, the disk's test-and-set out of reach. Nothing may be lost, and one side alone speaks.
 */
@KvmRequired
class FaultTest {
  private static final int ROUNDS = Integer.getInteger("fault.rounds", 200);
  private static final int MOST_MILLIS = 2_000;

  @TempDir private Path directory = Path.of("");

  @BeforeAll
  static void needsNamespaces() {
    Optional<String> complaint = TwoHosts.complaint();
    assumeTrue(complaint.isEmpty(), () -> "no network namespaces: " + complaint.get());
  }

  private void round(Fault fault, Random random, int afterMillis) throws Exception {
    try (TwoHosts hosts = new TwoHosts();
        FaultyPair pair = new FaultyPair(directory, hosts, random)) {
      Thread.sleep(afterMillis);
      pair.suffer(fault);
    }
  }

  @ParameterizedTest
  @EnumSource(Fault.class)
  void nothingIsLostAndOneSideSpeaks(Fault fault) throws Exception {
    round(fault, new Random(1), 300);
  }

  /** -Dfault.rounds=N for another number, -Dfault.seed=N for the same again. */
  @Test
  @Tag("long")
  void nothingIsLostInTwoHundredRounds() {
    long seed = Long.getLong("fault.seed", System.nanoTime());
    System.out.println("FaultTest seed " + seed);
    Random random = new Random(seed);
    List<Fault> faults = List.of(Fault.values());
    List<String> failures = new ArrayList<>();
    for (int i = 0; i < ROUNDS; i++) {
      Fault fault = faults.get(random.nextInt(faults.size()));
      int afterMillis = random.nextInt(MOST_MILLIS);
      try {
        round(fault, new Random(random.nextLong()), afterMillis);
        System.out.println("FaultTest round " + i + ": " + fault + ", nothing lost");
      } catch (Exception | AssertionError e) {
        failures.add("round %d, %s after %d ms: %s".formatted(i, fault, afterMillis, e));
        System.out.println("FaultTest FAILED " + failures.getLast());
      }
    }
    assertEquals(List.of(), failures);
  }
}
