package lockstep.replay.playback;

import java.util.List;
import lockstep.monitor.input.CodeAt;

/**
 * The first thing that a replay did otherwise than the recorded run.
 *
 * @param kind what differed
 * @param exits guest exits of the replay when it was found
 * @param logPosition index of the log entry that does not fit
 * @param recorded what the log says, one line
 * @param replayed what the replay did, one line
 * @param lastEqual up to where both sides were the same, one line
 * @param recordedRegisters the recorded side's registers, as of the exit that the text names
 * @param replayedRegisters the replay's registers as it stopped
 * @param code the code where the replay stopped
 * @param lastExits the last guest exits of the replay, oldest first, one line each
 */
public record Divergence(
    Kind kind,
    long exits,
    long logPosition,
    String recorded,
    String replayed,
    String lastEqual,
    String recordedRegisters,
    String replayedRegisters,
    CodeAt code,
    List<String> lastExits) {

  /** What differed. */
  public enum Kind {
    /** The guest exits so far, by their rolling digest. */
    EXITS("guest exits"),
    /** The guest asked for the time where the recorded one did not, or the other way round. */
    CLOCK("clock reading"),
    /** The guest asked for random bytes where the recorded one did not, or for others. */
    ENTROPY("random bytes"),
    /** An output that was not recorded here, or a recorded one that did not come. */
    OUTPUT("output"),
    /** The replay ran past the point of the next entry, or cannot reach it. */
    POINT("execution point"),
    /** The vector differs, or the guest cannot take the interrupt here. */
    DELIVERY("interrupt delivery"),
    /** The general registers. */
    REGISTERS("registers"),
    /** CPU state, devices or memory. */
    MACHINE("machine state"),
    /** How or when the run ended. */
    END("end of the run"),
    /** The replay makes no more guest exits. */
    STALL("no progress");

    private final String words;

    Kind(String words) {
      this.words = words;
    }

    /** For reports. */
    public String words() {
      return words;
    }
  }

  /** Copies. */
  public Divergence {
    lastExits = List.copyOf(lastExits);
  }

  /** One line: what, where, and both sides. */
  public String headline() {
    return "divergence (%s) after %d guest exits, at log entry %d: recorded %s; replayed %s"
        .formatted(kind.words(), exits, logPosition, recorded, replayed);
  }

  /** The headline: the rest is a text of many lines, see {@link #report}. */
  @Override
  public String toString() {
    return headline();
  }

  /** The whole report, without the command that reproduces it, which the caller knows. */
  public String report() {
    StringBuilder text = new StringBuilder(headline()).append("\n");
    text.append(lastEqual).append("\n\n");
    text.append("recorded side: ").append(recordedRegisters).append("\n\n");
    text.append("replayed side: registers behind exit ").append(exits).append('\n');
    text.append(replayedRegisters).append("\n\n");
    text.append("last guest exits of the replay:\n");
    for (String exit : lastExits) {
      text.append("  ").append(exit).append('\n');
    }
    return text.toString();
  }
}
