package lockstep.replay.playback;

import lockstep.monitor.input.InputSource.GuestExit;
import lockstep.monitor.input.VcpuPosition;
import lockstep.replay.log.LogEntry;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;

/**
 * The first answer of a replay that did not fit its log, and what a report of it needs. Whatever
 * comes after the first is its consequence and is dropped.
 */
final class FirstDifference {
  private record Finding(
      Divergence.Kind kind, long exits, long logPosition, String recorded, String replayed) {}

  private final ExitTrace trace = new ExitTrace();
  private LogEntry.@Nullable Registers lastRegisters;
  private long equalExits;
  private long equalRegistersExits;
  private @Nullable Finding finding;

  boolean found() {
    return finding != null;
  }

  void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    trace.add(exit, address, sizeBytes, data);
  }

  /** The recorded side's registers, the last that the log had. */
  void recordedRegisters(LogEntry.Registers registers) {
    lastRegisters = registers;
  }

  /** All guest exits so far were the same. */
  void exitsWereEqual(long exits) {
    equalExits = exits;
  }

  /** The general registers were the same. */
  void registersWereEqual(long exits) {
    equalRegistersExits = exits;
  }

  private String lastEqual() {
    return "the sides were the same: guest exits up to %d at least, registers last at exit %d"
        .formatted(equalExits, equalRegistersExits);
  }

  void add(Divergence.Kind kind, long exits, long logPosition, String recorded, String replayed) {
    if (finding == null) {
      finding = new Finding(kind, exits, logPosition, recorded, replayed);
    }
  }

  /**
   * The report, once something was found.
   *
   * @param position of the machine as it stands
   * @param exits guest exits of the replay until now
   */
  Divergence report(VcpuPosition position, long exits) throws SysException {
    Finding found = finding;
    if (found == null) {
      throw new IllegalStateException("nothing was found");
    }
    return new Divergence(
        found.kind(),
        found.exits(),
        found.logPosition(),
        found.recorded(),
        found.replayed(),
        lastEqual(),
        Descriptions.registers(lastRegisters),
        position.machine().registerDump(),
        position.machine().code(),
        trace.lines(exits));
  }
}
