package lockstep.monitor.snapshot;

/** The sections of a snapshot, in their order, with their numbers in the format. */
public enum SectionKind {
  /** What the machine is built from: configuration, quirks, CPUID. */
  ORIGIN(1, 1 << 20),
  /** {@code VcpuState.encode()}. */
  CPU(2, 1 << 20),
  /** {@code StateCodec.encode} of all devices. */
  DEVICES(3, 64 << 20),
  /** The vCPU loop's own state. */
  LOOP(4, 1 << 10),
  /** The guest clock and inputs that were accepted but not applied. */
  INPUTS(5, 64 << 20),
  /** One chunk of guest memory; any number of them, also none. */
  MEMORY(6, MemoryChunk.MAX_SECTION_BYTES),
  /** How many sections there were and a checksum over them. */
  END(7, 16);

  private final int wire;
  private final int maxBytes;

  SectionKind(int wire, int maxBytes) {
    this.wire = wire;
    this.maxBytes = maxBytes;
  }

  /** The number in the format. */
  public int wire() {
    return wire;
  }

  /** The longest one that a reader takes, in bytes. */
  int maxBytes() {
    return maxBytes;
  }
}
