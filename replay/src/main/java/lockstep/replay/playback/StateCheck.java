package lockstep.replay.playback;

import java.util.Optional;
import lockstep.monitor.input.VcpuPosition;
import lockstep.replay.log.EntrySource;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.MachineDigests;
import lockstep.sys.SysException;

/**
 * Compares the replay's registers and machine with those that the log has for the exit where it
 * stands. An entry that fits is taken.
 */
final class StateCheck {
  private final EntrySource log;
  private final FirstDifference difference;
  private final long[] registers = new long[VcpuPosition.REGISTERS];
  private Compared compared = new Compared(0, 0);

  /**
   * @param log whose next entry is the one compared with
   * @param difference takes what does not fit
   */
  StateCheck(EntrySource log, FirstDifference difference) {
    this.log = log;
    this.difference = difference;
  }

  /** Compares the general registers; false if there is a difference. */
  boolean registers(LogEntry.Registers entry, VcpuPosition position, long exits)
      throws SysException {
    position.readRegisters(registers);
    Optional<String> other = Comparison.registers(entry.values(), registers);
    difference.recordedRegisters(entry);
    if (other.isPresent()) {
      difference.add(
          Divergence.Kind.REGISTERS, exits, log.position(), "other registers", other.get());
      return false;
    }
    difference.registersWereEqual(entry.exits());
    log.take();
    return true;
  }

  /** Compares CPU state, devices and memory; false if there is a difference. */
  boolean machine(LogEntry.MachineDigest entry, VcpuPosition position, long exits)
      throws SysException {
    Optional<String> other =
        Comparison.machines(entry.digest(), MachineDigests.of(position.machine()));
    if (other.isPresent()) {
      difference.add(
          Divergence.Kind.MACHINE,
          exits,
          log.position(),
          "machine " + entry.digest().name(),
          "a machine that differs in " + other.get());
      return false;
    }
    log.take();
    compared = new Compared(compared.machines() + 1, exits);
    return true;
  }

  /** Comparisons of whole machines so far. */
  Compared compared() {
    return compared;
  }
}
