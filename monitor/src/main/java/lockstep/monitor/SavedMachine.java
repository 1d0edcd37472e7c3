package lockstep.monitor;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.function.Function;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.VcpuState;
import lockstep.monitor.snapshot.MemoryImage;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.snapshot.SectionKind;
import lockstep.monitor.snapshot.SectionReader;
import lockstep.monitor.snapshot.SectionWriter;
import lockstep.monitor.snapshot.SnapshotException;
import lockstep.monitor.state.DeviceState;
import lockstep.monitor.state.StateCodec;
import lockstep.monitor.vcpu.LoopState;

/**
 * A whole machine as a stream of bytes (docs/snapshot-format.md). Reading takes two steps, because
 * memory needs a machine to go to, and a machine needs the saved configuration to be built:
 *
 * <pre>{@code
 * SavedMachine saved = SavedMachine.open(in);
 * MachineOrigin origin = saved.state().origin();
 * Machine machine = Machine.create(kvm, origin, inputs, outputs);
 * machine.restore(saved, Progress.NONE);
 * }</pre>
 *
 * <p>The stream is the caller's, and should be buffered; what follows the snapshot in it stays
 * there.
 */
public final class SavedMachine {
  private final SectionReader reader;
  private final MachineState state;
  private boolean taken;

  private SavedMachine(SectionReader reader, MachineState state) {
    this.reader = reader;
    this.state = state;
  }

  /** Writes a machine; {@link Machine#save} is the way to call it. */
  static void write(MachineState state, GuestMemory memory, OutputStream out, Progress progress)
      throws IOException {
    SectionWriter to = new SectionWriter(out);
    to.section(SectionKind.ORIGIN, StateCodec.encode(state.origin().encoded()));
    to.section(SectionKind.CPU, state.cpu().encode());
    to.section(SectionKind.DEVICES, StateCodec.encode(state.devices()));
    to.section(SectionKind.LOOP, StateCodec.encode(state.loop()));
    to.section(SectionKind.INPUTS, StateCodec.encode(state.inputs().encoded()));
    MemoryImage.write(memory, to, progress);
    to.end();
  }

  /**
   * Reads everything before the memory. The bytes may come from anywhere and are checked.
   *
   * @throws SnapshotException when these are no such bytes
   */
  public static SavedMachine open(InputStream in) throws IOException, SnapshotException {
    SectionReader reader = new SectionReader(in);
    MachineState state =
        new MachineState(
            decode(
                reader,
                SectionKind.ORIGIN,
                bytes -> MachineOrigin.of(record(MachineOrigin.Encoded.class, bytes))),
            decode(reader, SectionKind.CPU, VcpuState::decode),
            decode(reader, SectionKind.DEVICES, bytes -> record(DevicesState.class, bytes)),
            decode(reader, SectionKind.LOOP, bytes -> record(LoopState.class, bytes)),
            decode(
                reader,
                SectionKind.INPUTS,
                bytes -> SavedInputs.of(record(SavedInputs.Encoded.class, bytes))));
    return new SavedMachine(reader, state);
  }

  /** Everything but the memory. */
  public MachineState state() {
    return state;
  }

  /** Reads the memory, which is there once. */
  void readMemory(GuestMemory memory, Progress progress) throws IOException, SnapshotException {
    if (taken) {
      throw new IllegalStateException("this machine's memory was read before");
    }
    taken = true;
    MemoryImage.read(reader, memory, progress);
  }

  private static <R extends DeviceState> R record(Class<R> type, byte[] bytes) {
    return StateCodec.decode(type, bytes);
  }

  private static <T> T decode(SectionReader reader, SectionKind kind, Function<byte[], T> decoder)
      throws IOException, SnapshotException {
    byte[] bytes = reader.section(kind);
    try {
      return decoder.apply(bytes);
    } catch (IllegalArgumentException e) {
      throw new SnapshotException(
          "has a section %s that makes no sense: %s".formatted(kind, e.getMessage()), e);
    }
  }
}
