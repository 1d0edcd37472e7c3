package lockstep.replay.playback;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.OptionalLong;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource.Action;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.state.Bytes;
import lockstep.replay.log.EntrySource;
import lockstep.replay.log.LogEntry;
import lockstep.replay.placement.CounterPoints;
import lockstep.replay.placement.StandingVcpu;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class CounterReplayerTest {
  private static final LogEntry TYPED =
      new LogEntry.Input(new ExternalInput.ConsoleBytes(Bytes.copyOf(new byte[] {1})));
  private static final long NO_STALL = Long.MAX_VALUE;

  private final StandingVcpu at = new StandingVcpu(0);

  private LogEntry point(long count) throws Exception {
    at.count = count;
    at.place = count;
    return new LogEntry.Point(new CounterPoints().here(at, at).orElseThrow());
  }

  @Test
  void aSecondPointAfterAnExitIsFoundWhenTheHostStoppedTheGuestRightAtTheFirst() throws Exception {
    List<LogEntry> log = List.of(point(10), TYPED, point(25), TYPED);
    ReplayOptions options = new ReplayOptions(OptionalLong.empty(), false, false, NO_STALL);
    Replayer replayer = new Replayer(new Entries(log), 0, nanos -> {}, options, at);
    at.place = 0;
    assertEquals(Action.RUN, replayer.next(at));
    at.stop = VcpuPosition.Stop.HOST;
    at.count = 10;
    at.place = 10;
    assertEquals(Action.APPLY, replayer.next(at));
    assertEquals(Action.RUN, replayer.next(at));
    assertEquals(List.of(10L, 15L), at.asked);
    at.count = 15;
    at.place = 25;
    assertEquals(Action.APPLY, replayer.next(at));
  }

  /** A log in memory. */
  private static final class Entries implements EntrySource {
    private final List<LogEntry> entries;
    private int next;

    Entries(List<LogEntry> entries) {
      this.entries = entries;
    }

    @Override
    public LogEntry.@Nullable Kind peekKind() {
      return next < entries.size() ? entries.get(next).kind() : null;
    }

    @Override
    public long takeClock() {
      return ((LogEntry.Clock) take()).nanos();
    }

    @Override
    public @Nullable LogEntry peek() {
      return next < entries.size() ? entries.get(next) : null;
    }

    @Override
    public LogEntry take() {
      return entries.get(next++);
    }

    @Override
    public long position() {
      return next;
    }
  }
}
