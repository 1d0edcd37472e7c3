package lockstep.monitor;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Optional;
import java.util.function.Function;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.VcpuState;
import lockstep.monitor.snapshot.MemoryReader;
import lockstep.monitor.snapshot.MemoryWriter;
import lockstep.monitor.snapshot.Packing;
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
 * MachineOrigin origin = saved.origin();
 * Machine machine = Machine.create(kvm, origin, inputs, outputs);
 * machine.restore(saved, Progress.NONE);
 * }</pre>
 *
 * <p>The stream is the caller's, and should be buffered; what follows the snapshot in it stays
 * there.
 */
public final class SavedMachine {
  private final SectionReader reader;
  private final MachineOrigin origin;
  private Optional<MachineState> state = Optional.empty();
  private boolean taken;

  private SavedMachine(SectionReader reader, MachineOrigin origin) {
    this.reader = reader;
    this.origin = origin;
  }

  /** Writes a machine; {@link Machine#save} is the way to call it. */
  static void write(MachineState state, GuestMemory memory, OutputStream out, Progress progress)
      throws IOException {
    SectionWriter to = new SectionWriter(out);
    writeOrigin(state.origin(), to);
    writeState(state, to);
    try (MemoryWriter writer = new MemoryWriter(memory, to, Packing.ALWAYS)) {
      writer.writeAll(progress);
    }
    to.end();
  }

  /** The first section. */
  static void writeOrigin(MachineOrigin origin, SectionWriter to) throws IOException {
    to.section(SectionKind.ORIGIN, StateCodec.encode(origin.encoded()));
  }

  /** Everything else but the memory. */
  static void writeState(MachineState state, SectionWriter to) throws IOException {
    to.section(SectionKind.CPU, state.cpu().encode());
    to.section(SectionKind.DEVICES, StateCodec.encode(state.devices()));
    to.section(SectionKind.LOOP, StateCodec.encode(state.loop()));
    to.section(SectionKind.INPUTS, StateCodec.encode(state.inputs().encoded()));
  }

  /**
   * Reads what is before the memory: everything else, or only {@link #origin} where the machine ran
   * while its memory was copied, and then {@link Machine#receive} comes next. The bytes may come
   * from anywhere and are checked.
   *
   * @throws SnapshotException when these are no such bytes
   */
  public static SavedMachine open(InputStream in) throws IOException, SnapshotException {
    SectionReader reader = new SectionReader(in);
    MachineOrigin origin =
        decoded(
            SectionKind.ORIGIN,
            reader.section(SectionKind.ORIGIN),
            bytes -> MachineOrigin.of(record(MachineOrigin.Encoded.class, bytes)));
    SavedMachine saved = new SavedMachine(reader, origin);
    SectionKind next = reader.next();
    if (next != SectionKind.MEMORY) {
      saved.readState(next);
    }
    return saved;
  }

  private void readState(SectionKind at) throws IOException, SnapshotException {
    state =
        Optional.of(
            new MachineState(
                origin,
                decoded(SectionKind.CPU, reader.section(at, SectionKind.CPU), VcpuState::decode),
                decode(SectionKind.DEVICES, bytes -> record(DevicesState.class, bytes)),
                decode(SectionKind.LOOP, bytes -> record(LoopState.class, bytes)),
                decode(
                    SectionKind.INPUTS,
                    bytes -> SavedInputs.of(record(SavedInputs.Encoded.class, bytes)))));
  }

  /** What the machine was built from. */
  public MachineOrigin origin() {
    return origin;
  }

  /** Everything but the memory; of a machine that ran meanwhile, after the rounds of its memory. */
  public MachineState state() {
    return state.orElseThrow(() -> new IllegalStateException("its memory comes first"));
  }

  /** Reads the memory that comes before the state, if any does. */
  void readRounds(GuestMemory memory, Progress progress) throws IOException, SnapshotException {
    if (state.isEmpty()) {
      readState(new MemoryReader(memory, progress).readRounds(reader));
    }
  }

  /** Reads the memory behind the state, which is there once. */
  void readMemory(GuestMemory memory, Progress progress) throws IOException, SnapshotException {
    if (taken) {
      throw new IllegalStateException("this machine's memory was read before");
    }
    taken = true;
    new MemoryReader(memory, progress).read(reader);
  }

  private static <R extends DeviceState> R record(Class<R> type, byte[] bytes) {
    return StateCodec.decode(type, bytes);
  }

  private <T> T decode(SectionKind kind, Function<byte[], T> decoder)
      throws IOException, SnapshotException {
    return decoded(kind, reader.section(kind), decoder);
  }

  private static <T> T decoded(SectionKind kind, byte[] bytes, Function<byte[], T> decoder)
      throws SnapshotException {
    try {
      return decoder.apply(bytes);
    } catch (IllegalArgumentException e) {
      throw new SnapshotException(
          "has an invalid section %s: %s".formatted(kind, e.getMessage()), e);
    }
  }
}
