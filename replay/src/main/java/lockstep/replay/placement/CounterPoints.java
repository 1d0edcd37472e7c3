package lockstep.replay.placement;

import java.util.Arrays;
import java.util.Optional;
import lockstep.kvm.Reg;
import lockstep.monitor.input.VcpuPosition;
import lockstep.replay.log.ExecutionPoint;
import lockstep.sys.SysException;

/**
 * Names the place where a vCPU stands, and compares places. Keeps one register file; one thread.
 */
public final class CounterPoints {
  /**
   * RFLAGS.RF, which is no property of the place: a CPU that is stopped between two iterations of a
   * string instruction shows it set, one that is stepped there may not (Intel SDM 3, 28.3.3).
   */
  private static final long RESUME_FLAG = 1L << 16;

  /** As in {@code ExitRoll}. */
  private static final long MULTIPLIER = 0x9e37_79b9_7f4a_7c15L;

  private static final int RIP = indexOf(Reg.RIP);
  private static final int RCX = indexOf(Reg.RCX);
  private static final int RFLAGS = indexOf(Reg.RFLAGS);

  private final long[] registers = new long[VcpuPosition.REGISTERS];

  private static int indexOf(Reg register) {
    return Arrays.asList(Reg.values()).indexOf(register);
  }

  /**
   * The point where the vCPU stands.
   *
   * @return empty when the counter is not exact: no replay would find it
   */
  public Optional<ExecutionPoint.Counter> here(VcpuPosition position, InstructionCounter counter)
      throws SysException {
    long count = counter.read();
    if (count == InstructionCounter.INEXACT) {
      return Optional.empty();
    }
    position.readRegisters(registers);
    return Optional.of(
        new ExecutionPoint.Counter(
            position.guestExits(), count, registers[RIP], registers[RCX], digest(registers)));
  }

  /** Whether the registers are those of the point; its exits and count are not looked at. */
  boolean registersAre(ExecutionPoint.Counter point, VcpuPosition position) throws SysException {
    position.readRegisters(registers);
    return registers[RIP] == point.rip()
        && registers[RCX] == point.rcx()
        && digest(registers) == point.registerDigest();
  }

  /**
   * The register digest of a point: {@code state = m ^ m >>> 32} with {@code m = (state ^ word) *
   * 0x9e3779b97f4a7c15}, over all registers in the order of {@code Reg}, RFLAGS without RF.
   */
  static long digest(long[] registers) {
    long state = 0;
    for (int i = 0; i < registers.length; i++) {
      long word = i == RFLAGS ? registers[i] & ~RESUME_FLAG : registers[i];
      long mixed = (state ^ word) * MULTIPLIER;
      state = mixed ^ mixed >>> 32;
    }
    return state;
  }
}
