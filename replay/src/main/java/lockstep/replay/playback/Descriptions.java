package lockstep.replay.playback;

import java.util.Locale;
import lockstep.kvm.Reg;
import lockstep.replay.log.EntrySource;
import lockstep.replay.log.ExecutionPoint;
import lockstep.replay.log.LogEntry;
import org.jspecify.annotations.Nullable;

/** Log entries in words, one line each. */
public final class Descriptions {
  private static final int REGISTERS_PER_LINE = 4;

  private Descriptions() {}

  /** What a log has next, in words. */
  static String ofNext(EntrySource log) {
    LogEntry entry = log.peek();
    return entry == null ? "the end of the log" : of(entry);
  }

  /** An entry in words. */
  public static String of(LogEntry entry) {
    return switch (entry) {
      case LogEntry.Clock clock -> "clock reading " + clock.nanos() + " ns";
      case LogEntry.Entropy entropy -> entropy.content().size() + " random bytes";
      case LogEntry.Point point -> "point " + of(point.at());
      case LogEntry.Pages pages ->
          "%d pages of a state-sync, the first at 0x%x"
              .formatted(pages.pages().size(), pages.pages().getFirst().address());
      case LogEntry.Input input -> "input " + input.input();
      case LogEntry.Delivery delivery -> "delivery of vector " + delivery.vector();
      case LogEntry.Output output -> "output at exit " + output.exits();
      case LogEntry.ExitDigest digest ->
          "exit digest %08x after %d exits".formatted(digest.digest(), digest.exits());
      case LogEntry.Registers registers -> "registers at exit " + registers.exits();
      case LogEntry.MachineDigest machine ->
          "machine digest %s at exit %d".formatted(machine.digest().name(), machine.exits());
      case LogEntry.End end -> "end (%s) at exit %d".formatted(end.how(), end.exits());
    };
  }

  private static String of(ExecutionPoint point) {
    return switch (point) {
      case ExecutionPoint.AtExit at -> "at exit " + at.exits();
      case ExecutionPoint.Step step ->
          "%d steps after exit %d".formatted(step.steps(), step.exits());
      case ExecutionPoint.Counter counter ->
          "%d counts after exit %d, RIP 0x%x"
              .formatted(counter.count(), counter.exits(), counter.rip());
      case ExecutionPoint.StateSync sync ->
          "state-sync after exit %d, %d pages".formatted(sync.exits(), sync.pages());
    };
  }

  /** A logged register file as lines; says so when there is none. */
  static String registers(LogEntry.@Nullable Registers registers) {
    if (registers == null) {
      return "no registers logged so far";
    }
    StringBuilder text = new StringBuilder("registers at exit " + registers.exits());
    Reg[] names = Reg.values();
    for (int i = 0; i < names.length; i++) {
      text.append(i % REGISTERS_PER_LINE == 0 ? "\n" : "  ");
      text.append(String.format(Locale.ROOT, "%-6s %016x", names[i], registers.values().get(i)));
    }
    return text.toString();
  }
}
