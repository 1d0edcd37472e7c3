package lockstep.replay.playback;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import lockstep.kvm.Reg;
import lockstep.kvm.VcpuState;
import lockstep.monitor.DevicesState;
import lockstep.monitor.state.StateCodec;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.MachineDigest;

/** Says where two machines differ. */
final class Comparison {
  private static final int SHOWN_CHUNKS = 8;
  private static final int SHOWN_BYTES = 8;

  private Comparison() {}

  /** The names of the registers that differ, with both values; empty if none does. */
  static Optional<String> registers(List<Long> recorded, long[] replayed) {
    List<String> different = new ArrayList<>();
    Reg[] names = Reg.values();
    for (int i = 0; i < LogEntry.Registers.COUNT; i++) {
      if (recorded.get(i) != replayed[i]) {
        different.add(
            String.format(
                Locale.ROOT, "%s 0x%x, not 0x%x", names[i], replayed[i], recorded.get(i)));
      }
    }
    return different.isEmpty() ? Optional.empty() : Optional.of(String.join("; ", different));
  }

  /** Which parts of the machines differ; empty if none does. */
  static Optional<String> machines(MachineDigest recorded, MachineDigest replayed) {
    List<String> different = new ArrayList<>();
    if (!recorded.cpuState().equals(replayed.cpuState())) {
      different.add("CPU state (" + cpuParts(recorded, replayed) + ")");
    }
    if (!recorded.devices().equals(replayed.devices())) {
      different.add("devices (" + deviceParts(recorded, replayed) + ")");
    }
    List<Integer> chunks = recorded.memoryDifferences(replayed);
    if (!chunks.isEmpty()) {
      different.add("memory (" + memoryParts(chunks, recorded.chunkBytes()) + ")");
    }
    return different.isEmpty() ? Optional.empty() : Optional.of(String.join(", ", different));
  }

  private static String cpuParts(MachineDigest recorded, MachineDigest replayed) {
    try {
      VcpuState one = VcpuState.decode(recorded.cpuState().toArray());
      VcpuState other = VcpuState.decode(replayed.cpuState().toArray());
      return one.differences(other).stream()
          .map(section -> section + firstDifference(one.section(section), other.section(section)))
          .collect(Collectors.joining(", "));
    } catch (IllegalArgumentException e) {
      return "not readable: " + e.getMessage();
    }
  }

  private static String firstDifference(byte[] one, byte[] other) {
    int at = Arrays.mismatch(one, other);
    if (at < 0) {
      return "";
    }
    HexFormat hex = HexFormat.of();
    return " from byte %d: %s, not %s"
        .formatted(
            at,
            hex.formatHex(other, at, Math.min(other.length, at + SHOWN_BYTES)),
            hex.formatHex(one, at, Math.min(one.length, at + SHOWN_BYTES)));
  }

  private static String deviceParts(MachineDigest recorded, MachineDigest replayed) {
    try {
      DevicesState one = StateCodec.decode(DevicesState.class, recorded.devices().toArray());
      DevicesState other = StateCodec.decode(DevicesState.class, replayed.devices().toArray());
      List<String> names = new ArrayList<>();
      for (DevicesState.Row row : one.rows()) {
        if (!other.row(row.number()).equals(Optional.of(row))) {
          names.add(row.name());
        }
      }
      return String.join(", ", names);
    } catch (IllegalArgumentException e) {
      return "not readable: " + e.getMessage();
    }
  }

  private static String memoryParts(List<Integer> chunks, int chunkBytes) {
    List<String> parts = new ArrayList<>();
    for (int chunk : chunks.subList(0, Math.min(SHOWN_CHUNKS, chunks.size()))) {
      parts.add("RAM offset 0x%x".formatted((long) chunk * chunkBytes));
    }
    return "%s%s, chunks of 0x%x bytes"
        .formatted(
            String.join(", ", parts),
            chunks.size() > SHOWN_CHUNKS ? " and " + (chunks.size() - SHOWN_CHUNKS) + " more" : "",
            chunkBytes);
  }
}
