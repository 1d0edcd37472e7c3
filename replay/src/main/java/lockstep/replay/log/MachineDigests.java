package lockstep.replay.log;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import lockstep.monitor.input.StoppedMachine;
import lockstep.monitor.state.Bytes;
import lockstep.sys.SysException;

/** Takes the digest of a machine. */
public final class MachineDigests {
  /** Small enough to say where memory differs, large enough that the list stays short. */
  private static final int MIN_CHUNK_BYTES = 1 << 20;

  /** Larger machines get larger chunks. */
  private static final int MAX_LISTED = 1024;

  private MachineDigests() {}

  /** The digest of the machine as it stands; reads all of its memory. */
  public static MachineDigest of(StoppedMachine machine) throws SysException {
    int chunkBytes = chunkBytes(machine.memoryBytes());
    Bytes cpu = Bytes.copyOf(machine.cpuState());
    Bytes devices = Bytes.copyOf(machine.devicesState());
    int[] checksums = machine.memoryChecksums(chunkBytes);
    ByteBuffer list = ByteBuffer.allocate(4 * checksums.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int checksum : checksums) {
      list.putInt(checksum);
    }
    return new MachineDigest(cpu, devices, chunkBytes, Bytes.copyOf(list.array()));
  }

  private static int chunkBytes(long memoryBytes) {
    long chunk = MIN_CHUNK_BYTES;
    while (memoryBytes / chunk > MAX_LISTED) {
      chunk *= 2;
    }
    return Math.toIntExact(chunk);
  }
}
