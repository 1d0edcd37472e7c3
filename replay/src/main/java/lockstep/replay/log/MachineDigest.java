package lockstep.replay.log;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.CRC32C;
import lockstep.monitor.state.Bytes;

/**
 * What a machine is at one point, small enough to log: the CPU state's parts, the devices, and
 * memory in chunks, so that a difference can be named.
 *
 * @param cpuState {@code VcpuState.encode()}, whole: a few KiB, and a report can show it
 * @param devices {@code StateCodec.encode} of the devices' state, whole, for the same reason
 * @param chunkBytes size of a memory chunk; the last one of a block may be smaller
 * @param memory one CRC-32C for each chunk, by address, 4 bytes little-endian each
 */
public record MachineDigest(Bytes cpuState, Bytes devices, int chunkBytes, Bytes memory) {
  /** Bounds what a damaged log can ask for. */
  public static final int MAX_CHUNKS = 1 << 16;

  /** Checks the ranges. */
  public MachineDigest {
    if (chunkBytes < 4096 || memory.size() % 4 != 0 || memory.size() > 4 * MAX_CHUNKS) {
      throw new IllegalArgumentException(
          "chunks of %d bytes, %d bytes of checksums".formatted(chunkBytes, memory.size()));
    }
  }

  /** The indices of the memory chunks that are not equal. */
  public List<Integer> memoryDifferences(MachineDigest other) {
    byte[] mine = memory.toArray();
    byte[] theirs = other.memory.toArray();
    List<Integer> different = new ArrayList<>();
    for (int i = 0; i < Math.max(mine.length, theirs.length); i += 4) {
      for (int j = i; j < i + 4; j++) {
        if (j >= mine.length || j >= theirs.length || mine[j] != theirs[j]) {
          different.add(i / 4);
          break;
        }
      }
    }
    return different;
  }

  /** A short name: equal digests have equal names. Not for security. */
  public String name() {
    CRC32C crc = new CRC32C();
    CRC32 second = new CRC32();
    for (Bytes part : List.of(cpuState, devices, memory)) {
      byte[] content = part.toArray();
      crc.update(content);
      second.update(content);
    }
    return HexFormat.of().toHexDigits(crc.getValue() << 32 | second.getValue());
  }
}
