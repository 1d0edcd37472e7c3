package lockstep.replay.playback;

import java.util.function.LongFunction;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.state.Bytes;
import lockstep.replay.log.LogEntry;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;

/**
 * Replays a log to its end and goes on live from there: the guest clock continues where the last
 * logged reading was, and the timers that devices had armed come from the host again.
 */
public final class GoesLive implements InputSource {
  private final Replayer replayer;
  private final LongFunction<HostInputs> hostFrom;
  private final Runnable wentLive;
  private @Nullable HostInputs host;
  private @Nullable InputSource live;

  /**
   * @param replayer made with the option to go live
   * @param hostFrom makes the live inputs, given what the guest clock shows
   * @param wentLive told once, on the vCPU thread, before the first live step
   */
  public GoesLive(Replayer replayer, LongFunction<HostInputs> hostFrom, Runnable wentLive) {
    this.replayer = replayer;
    this.hostFrom = hostFrom;
    this.wentLive = wentLive;
  }

  private InputSource source() {
    InputSource now = live;
    return now == null ? replayer : now;
  }

  /** Whether a replay that is to go live ends before this entry: the host's decision to stop. */
  static boolean before(LogEntry entry) {
    return entry instanceof LogEntry.Input input
        && input.input() instanceof ExternalInput.HostDecision decision
        && decision.decision() == ExternalInput.Decision.STOP;
  }

  /** Whether the log is behind. */
  public boolean isLive() {
    return live != null;
  }

  @Override
  public Action next(VcpuPosition position) throws InterruptedException, SysException {
    Action action = source().next(position);
    if (live != null || action != Action.STOP || !replayer.cameToTheEnd()) {
      return action;
    }
    HostInputs from = hostFrom.apply(replayer.clockNanos());
    for (int timer = 0; timer < MachineLayout.TIMERS; timer++) {
      int number = timer;
      replayer.deadlineNanos(timer).ifPresent(deadline -> from.armTimer(number, deadline));
    }
    host = from;
    live = new LiveInputs(from);
    wentLive.run();
    return source().next(position);
  }

  @Override
  public long nowNanos() {
    HostInputs now = host;
    return now == null ? replayer.nowNanos() : now.nowNanos();
  }

  @Override
  public Bytes entropy(int count) {
    HostInputs now = host;
    return now == null ? replayer.entropy(count) : now.entropy(count);
  }

  @Override
  public ExternalInput input() {
    return source().input();
  }

  @Override
  public void delivered(int vector) {
    source().delivered(vector);
  }

  @Override
  public void armTimer(int timer, long deadlineNanos) {
    source().armTimer(timer, deadlineNanos);
  }

  @Override
  public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    source().guestExit(exit, address, sizeBytes, data);
  }
}
