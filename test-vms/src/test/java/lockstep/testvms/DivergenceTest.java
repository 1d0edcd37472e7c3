package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.state.Bytes;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.log.LogEntry;
import lockstep.replay.playback.Divergence;
import lockstep.replay.playback.ReplayOptions;
import lockstep.replay.playback.ReplayOutcome;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.sys.SysException;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Plants one fault of each kind into a replay and sees it found and named. */
@KvmRequired
class DivergenceTest {
  /** Far in the RAM of the guest "ticks", which uses the first MiB or two of its 8. */
  private static final long UNUSED_PAGE = 7L << 20;

  private static final ReplayOptions IMPATIENT =
      new ReplayOptions(OptionalLong.empty(), false, false, TimeUnit.SECONDS.toNanos(4));

  private static final RecordedGuest TICKS = RecordedGuest.of(Guests.find("ticks").orElseThrow());
  private static final RecordedGuest PORTS = RecordedGuest.of(Guests.find("ports").orElseThrow());

  private static List<LogEntry> ticks = List.of();

  @BeforeAll
  static void record() throws Exception {
    ticks = TICKS.record(everyRegister()).entries();
    assertInstanceOf(ReplayOutcome.Equal.class, TICKS.replay(ticks).outcome());
  }

  private static RecordOptions everyRegister() {
    RecordOptions usual = RecordOptions.of(StepReach.KERNEL);
    return new RecordOptions(
        usual.stepReach(),
        usual.timePerStepTime(),
        usual.stateSync(),
        usual.maxInputDelayNanos(),
        usual.machineDigestNanos(),
        1);
  }

  private static Divergence diverges(RecordedGuest guest, List<LogEntry> entries) throws Exception {
    return diverges(guest, entries, UnaryOperator.identity());
  }

  private static Divergence diverges(
      RecordedGuest guest, List<LogEntry> entries, UnaryOperator<InputSource> plant)
      throws Exception {
    Divergence found =
        assertInstanceOf(
                ReplayOutcome.Diverged.class, guest.replay(entries, plant, IMPATIENT).outcome())
            .divergence();
    assertTrue(found.report().contains("RIP"), found.report());
    assertFalse(found.lastExits().isEmpty(), found.report());
    return found;
  }

  /** The entries with the n-th one that matches replaced, or dropped by an empty list. */
  private static List<LogEntry> change(
      List<LogEntry> entries,
      int n,
      Predicate<LogEntry> which,
      UnaryOperator<List<LogEntry>> change) {
    List<LogEntry> changed = new ArrayList<>();
    int seen = 0;
    for (LogEntry entry : entries) {
      boolean it = which.test(entry) && seen++ == n;
      changed.addAll(it ? change.apply(List.of(entry)) : List.of(entry));
    }
    assertTrue(seen > n, "only " + seen + " such entries");
    return changed;
  }

  @Test
  void aChangedClockReadingShowsInWhatTheGuestReadsOrDoes() throws Exception {
    List<LogEntry> recorded = PORTS.record(everyRegister()).entries();
    long before = 0;
    List<LogEntry> changed = new ArrayList<>();
    for (LogEntry entry : recorded) {
      // Half a PIT period: the counter that the guest reads cannot be the same.
      before += entry.kind() == LogEntry.Kind.CLOCK ? 1 : 0;
      changed.add(
          entry instanceof LogEntry.Clock clock && before >= 10
              ? new LogEntry.Clock(clock.nanos() + 7_000_003)
              : entry);
    }
    Divergence found = diverges(PORTS, changed);
    assertTrue(
        found.kind() == Divergence.Kind.REGISTERS || found.kind() == Divergence.Kind.EXITS,
        found.headline());
  }

  @Test
  void aDroppedClockReadingIsMissedByTheGuest() throws Exception {
    List<LogEntry> dropped =
        change(ticks, 0, entry -> entry.kind() == LogEntry.Kind.CLOCK, entry -> List.of());
    assertEquals(Divergence.Kind.CLOCK, diverges(TICKS, dropped).kind());
  }

  @Test
  void aDroppedTimerExpiryLeavesNoInterruptToDeliver() throws Exception {
    // All that came together for one interrupt: of two expiries, the first alone has no effect.
    int delivery = 0;
    while (ticks.get(delivery).kind() != LogEntry.Kind.DELIVERY
        || ticks.get(delivery - 1).kind() != LogEntry.Kind.INPUT) {
      delivery++;
    }
    List<LogEntry> dropped = new ArrayList<>(ticks);
    for (int at = delivery - 1; ticks.get(at).kind() == LogEntry.Kind.INPUT; at--) {
      dropped.remove(at);
    }
    assertEquals(Divergence.Kind.DELIVERY, diverges(TICKS, dropped).kind());
  }

  @Test
  void aDroppedInterruptDeliverySendsTheGuestAnotherWay() throws Exception {
    List<LogEntry> dropped =
        change(ticks, 3, entry -> entry.kind() == LogEntry.Kind.DELIVERY, entry -> List.of());
    Divergence found = diverges(TICKS, dropped);
    assertTrue(
        found.kind() == Divergence.Kind.REGISTERS || found.kind() == Divergence.Kind.STALL,
        found.headline());
  }

  @Test
  void anotherVectorIsNamed() throws Exception {
    List<LogEntry> changed =
        change(
            ticks,
            3,
            entry -> entry.kind() == LogEntry.Kind.DELIVERY,
            entry -> List.of(new LogEntry.Delivery(0x77)));
    Divergence found = diverges(TICKS, changed);
    assertEquals(Divergence.Kind.DELIVERY, found.kind());
    assertTrue(found.recorded().contains("119"), found.headline());
  }

  @Test
  void aShiftedPointIsNotFound() throws Exception {
    List<LogEntry> changed =
        change(
            ticks,
            5,
            entry -> entry.kind() == LogEntry.Kind.POINT,
            entry -> {
              long exits = ((LogEntry.Point) entry.getFirst()).at().exits();
              return List.of(new LogEntry.Point(new ExecutionPoint.AtExit(exits + 1)));
            });
    Divergence found = diverges(TICKS, changed);
    assertTrue(
        found.kind() == Divergence.Kind.POINT
            || found.kind() == Divergence.Kind.REGISTERS
            || found.kind() == Divergence.Kind.STALL
            || found.kind() == Divergence.Kind.DELIVERY,
        found.headline());
  }

  @Test
  void aFlippedMemoryBitIsFoundAndItsChunkNamed() throws Exception {
    Divergence found = diverges(TICKS, ticks, source -> new FlipsOneBit(source));
    assertEquals(Divergence.Kind.MACHINE, found.kind());
    assertTrue(found.replayed().contains("memory (RAM offset 0x700000,"), found.headline());
    assertFalse(found.replayed().contains("devices"), found.headline());
  }

  @Test
  void anotherDeviceStateIsFoundAndTheDeviceNamed() throws Exception {
    // Without registers in between: the guest sees the byte in the line status, which is another
    // way to find it.
    List<LogEntry> recorded = TICKS.record(RecordOptions.of(StepReach.KERNEL)).entries();
    Divergence found = diverges(TICKS, recorded, source -> new TypesOneByte(source));
    assertEquals(Divergence.Kind.MACHINE, found.kind());
    assertTrue(found.replayed().contains("devices (serial)"), found.headline());
    assertFalse(found.replayed().contains("memory"), found.headline());
  }

  @Test
  void aLogThatGoesOnWhereTheGuestEndsIsADivergence() throws Exception {
    List<LogEntry> longer =
        change(
            ticks,
            0,
            entry -> entry.kind() == LogEntry.Kind.MACHINE_DIGEST,
            entry -> List.of(new LogEntry.Clock(Long.MAX_VALUE / 2)));
    assertEquals(Divergence.Kind.END, diverges(TICKS, longer).kind());
  }

  @Test
  void aCutLogReplaysAsFarAsItGoes() throws Exception {
    List<LogEntry> cut = ticks.subList(0, ticks.size() / 2);
    assertInstanceOf(ReplayOutcome.LogEnded.class, TICKS.replay(cut).outcome());
  }

  /** Passes everything on to a replayer; subclasses do one thing more at the first stop. */
  private abstract static class Planted extends PassedOn {
    private boolean done;

    Planted(InputSource real) {
      super(real);
    }

    abstract Action plant(VcpuPosition position) throws SysException;

    @Override
    public Action next(VcpuPosition position) throws InterruptedException, SysException {
      if (!done) {
        done = true;
        return plant(position);
      }
      return super.next(position);
    }
  }

  private static final class FlipsOneBit extends Planted {
    FlipsOneBit(InputSource real) {
      super(real);
    }

    @Override
    Action plant(VcpuPosition position) throws SysException {
      byte[] page = new byte[4096];
      page[1234] = 0x10;
      position.machine().replacePage(UNUSED_PAGE, page);
      return Action.RUN;
    }
  }

  private static final class TypesOneByte extends Planted {
    private boolean typed;

    TypesOneByte(InputSource real) {
      super(real);
    }

    @Override
    Action plant(VcpuPosition position) {
      return Action.APPLY;
    }

    @Override
    public ExternalInput input() {
      if (typed) {
        return super.input();
      }
      typed = true;
      return new ExternalInput.ConsoleBytes(Bytes.copyOf(new byte[] {'x'}));
    }
  }
}
