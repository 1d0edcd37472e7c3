package lockstep.replay.placement;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import lockstep.monitor.input.VcpuPosition;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.placement.CounterSearch.Move;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class CounterSearchTest {
  private static final int ROUNDS = 10_000;
  private static final int POINTS_PER_ROUND = 3;
  private static final int MARGIN = 40;

  private final long seed = System.nanoTime();
  private final Random random = new Random(seed);
  private final CounterPoints points = new CounterPoints();

  @BeforeEach
  void printSeed() {
    System.out.println("CounterSearchTest seed " + seed);
  }

  /** Runs a recording CPU on by some instructions and names where it stands then. */
  private ExecutionPoint.Counter further(SyntheticCpu recorded) throws Exception {
    for (int steps = random.nextInt(3_000); steps > 0; steps--) {
      recorded.step();
    }
    return points.here(recorded, recorded).orElseThrow();
  }

  private static Move search(
      CounterSearch search, ExecutionPoint.Counter point, long count, SyntheticCpu replayed)
      throws Exception {
    search.begin(point, count);
    while (true) {
      assertTrue(search.isFor(point));
      Move move = search.look(replayed);
      switch (move) {
        case RUN -> replayed.run();
        case STEP -> replayed.step();
        case FOUND, MISSED -> {
          return move;
        }
      }
    }
  }

  @Test
  void pointsInLoopsAndStringInstructionsAreFoundToTheInstructionWithAnySkidWithinTheMargin()
      throws Exception {
    for (int round = 0; round < ROUNDS; round++) {
      long program = random.nextLong();
      // Less than the margin by what the code after the last skidded branch may hold.
      SyntheticCpu recorded = new SyntheticCpu(program, random, MARGIN, MARGIN - 8);
      SyntheticCpu replayed = new SyntheticCpu(program, random, MARGIN, MARGIN - 8);
      CounterSearch search = new CounterSearch(replayed);
      long count = 0;
      for (int i = 0; i < POINTS_PER_ROUND; i++) {
        ExecutionPoint.Counter point = further(recorded);
        String where = "seed %d, round %d, point %d, %s".formatted(seed, round, i, point);
        assertEquals(Move.FOUND, search(search, point, count, replayed), where + search.missed());
        assertEquals(recorded.instructions(), replayed.instructions(), where);
        count = point.count();
      }
    }
  }

  @Test
  void aSkidBeyondTheMarginIsAMissAndNeverAnotherPlace() throws Exception {
    int missed = 0;
    for (int round = 0; round < ROUNDS; round++) {
      long program = random.nextLong();
      SyntheticCpu recorded = new SyntheticCpu(program, random, MARGIN, 0);
      SyntheticCpu replayed = new SyntheticCpu(program, random, MARGIN, 4 * MARGIN);
      CounterSearch search = new CounterSearch(replayed);
      ExecutionPoint.Counter point = further(recorded);
      String where = "seed %d, round %d, %s".formatted(seed, round, point);
      if (search(search, point, 0, replayed) == Move.FOUND) {
        assertEquals(recorded.instructions(), replayed.instructions(), where);
      } else {
        missed++;
        assertTrue(replayed.branches() > point.count(), where);
        assertTrue(search.missed().startsWith("a stop past it, at count "), search.missed());
      }
    }
    assertTrue(missed > ROUNDS / 10 && missed < ROUNDS, "missed " + missed + ", seed " + seed);
  }

  @Test
  void otherRegistersAtTheSameInstructionAreNotThePoint() throws Exception {
    long program = random.nextLong();
    SyntheticCpu recorded = new SyntheticCpu(program, random, MARGIN, 0);
    ExecutionPoint.Counter point = further(recorded);
    ExecutionPoint.Counter changed =
        new ExecutionPoint.Counter(
            point.exits(),
            point.count(),
            point.rip(),
            point.rcx(),
            point.registerDigest() ^ 1L << random.nextInt(Long.SIZE));
    SyntheticCpu replayed = new SyntheticCpu(program, random, MARGIN, 0);
    assertEquals(
        Move.MISSED,
        search(new CounterSearch(replayed), changed, 0, replayed),
        "seed %d, %s".formatted(seed, point));
  }

  @Test
  void aCounterThatLosesCountsFindsNothingAndNamesNothing() throws Exception {
    SyntheticCpu cpu = new SyntheticCpu(1, random, MARGIN, 0);
    ExecutionPoint.Counter point = new ExecutionPoint.Counter(7, 1_000_000, 0, 0, 0);
    CounterSearch search = new CounterSearch(cpu);
    search.begin(point, 0);
    assertEquals(Move.RUN, search.look(cpu));
    cpu.run();
    cpu.exact = false;
    assertEquals(Move.MISSED, search.look(cpu));
    assertTrue(search.missed().contains("lost counts"), search.missed());
    assertTrue(points.here(cpu, cpu).isEmpty());
  }

  @Test
  void aHostWithoutACounterSaysSoInsteadOfSearching() throws Exception {
    SyntheticCpu cpu = new SyntheticCpu(1, random, MARGIN, 0);
    InstructionCounter none = InstructionCounter.none("no hardware counters on this host");
    CounterSearch search = new CounterSearch(none);
    search.begin(new ExecutionPoint.Counter(7, 0, 0, 0, 0), 0);
    assertEquals(Move.MISSED, search.look(cpu));
    assertTrue(search.missed().contains("no hardware counters on this host"), search.missed());
    assertTrue(points.here(cpu, none).isEmpty());
  }

  @Test
  void aLoopWithoutCountedInstructionsEndsTheSearch() throws Exception {
    SyntheticCpu cpu = new SyntheticCpu(1, random, MARGIN, 0);
    CounterSearch search = new CounterSearch(cpu);
    search.begin(new ExecutionPoint.Counter(7, 1, 0, 0, 0), 0);
    int steps = 0;
    while (search.look(cpu) == Move.STEP) { // the CPU stands still
      steps++;
    }
    assertEquals(CounterSearch.MAX_STEPS_PER_COUNT, steps);
    assertTrue(search.missed().contains("without it"), search.missed());
  }

  @Test
  void everyRegisterCountsInTheDigestButNotTheResumeFlag() {
    long[] registers = random.longs(VcpuPosition.REGISTERS).toArray();
    long digest = CounterPoints.digest(registers);
    for (int i = 0; i < registers.length; i++) {
      long[] changed = registers.clone();
      changed[i] ^= 1;
      assertNotEquals(digest, CounterPoints.digest(changed), "register %d".formatted(i));
    }
    long[] resumed = registers.clone();
    resumed[VcpuPosition.REGISTERS - 1] ^= 1 << 16;
    assertEquals(digest, CounterPoints.digest(resumed));
  }
}
