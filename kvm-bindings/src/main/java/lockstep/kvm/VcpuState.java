package lockstep.kvm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import lockstep.uapi.kvm_debugregs;
import lockstep.uapi.kvm_fpu;
import lockstep.uapi.kvm_mp_state;
import lockstep.uapi.kvm_msr_entry;
import lockstep.uapi.kvm_regs;
import lockstep.uapi.kvm_sregs;
import lockstep.uapi.kvm_vcpu_events;
import lockstep.uapi.kvm_xcrs;
import lockstep.uapi.kvm_xsave;

/**
 * Everything a vCPU remembers between two instructions, as one immutable value: the kernel's own
 * structs, byte for byte. The TSC, performance counters and paravirtual clocks are not in it: the
 * guest cannot see them, and they never read the same twice. CPUID is configuration, not state.
 */
public final class VcpuState {
  private static final int HEADER_BYTES = 8;

  /**
   * The parts, in the order in which they are restored: control registers before what they
   * validate, the x87 and vector state before XCR0, and events last, because KVM_SET_REGS drops a
   * pending exception. Source: Linux, Documentation/virt/kvm/api.rst, and what QEMU does.
   */
  public enum Section {
    MP_STATE(1, kvm_mp_state.sizeof()),
    SREGS(2, kvm_sregs.sizeof()),
    REGS(3, kvm_regs.sizeof()),
    /** In place of XSAVE where the CPU model hides XSAVE. */
    FPU(4, kvm_fpu.sizeof()),
    XSAVE(5, kvm_xsave.sizeof()),
    XCRS(6, kvm_xcrs.sizeof()),
    DEBUGREGS(7, kvm_debugregs.sizeof()),
    /** An array of struct kvm_msr_entry. */
    MSRS(8, 0),
    EVENTS(9, kvm_vcpu_events.sizeof());

    private final int wireNumber;
    private final long bytes;

    Section(int wireNumber, long bytes) {
      this.wireNumber = wireNumber;
      this.bytes = bytes;
    }

    /** Its number in files and on the wire. */
    public int wireNumber() {
      return wireNumber;
    }

    private boolean accepts(int length) {
      return this == MSRS
          ? length % kvm_msr_entry.sizeof() == 0 && length <= MAX_MSRS * kvm_msr_entry.sizeof()
          : length == bytes;
    }
  }

  /** KVM_GET_MSRS and KVM_SET_MSRS take fewer than 256 at a time (MAX_IO_MSRS). */
  static final int MAX_MSRS = 255;

  private final Map<Section, byte[]> sections;

  VcpuState(Map<Section, byte[]> sections) {
    this.sections = new EnumMap<>(sections);
  }

  /** Whether it has this part. */
  public boolean has(Section section) {
    return sections.containsKey(section);
  }

  /** A copy of one part; empty if absent. */
  public byte[] section(Section section) {
    return sections.getOrDefault(section, new byte[0]).clone();
  }

  /** The parts that are not the same in {@code other}. */
  public List<Section> differences(VcpuState other) {
    return Arrays.stream(Section.values())
        .filter(s -> has(s) != other.has(s) || !Arrays.equals(section(s), other.section(s)))
        .toList();
  }

  /** For files, the wire and digests: each part's number, length and bytes, little-endian. */
  public byte[] encode() {
    int length = sections.values().stream().mapToInt(bytes -> HEADER_BYTES + bytes.length).sum();
    ByteBuffer out = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    sections.forEach((s, bytes) -> out.putInt(s.wireNumber).putInt(bytes.length).put(bytes));
    return out.array();
  }

  /**
   * The opposite of {@link #encode}. The bytes may come from a peer and are checked.
   *
   * @throws IllegalArgumentException if they are not a vCPU state
   */
  public static VcpuState decode(byte[] encoded) {
    ByteBuffer in = ByteBuffer.wrap(encoded).order(ByteOrder.LITTLE_ENDIAN);
    Map<Section, byte[]> sections = new EnumMap<>(Section.class);
    int last = 0;
    while (in.remaining() >= HEADER_BYTES) {
      int number = in.getInt();
      int length = in.getInt();
      if (number <= last || number > Section.values().length) {
        throw new IllegalArgumentException("vCPU state: part " + number + " after " + last);
      }
      Section section = of(number);
      if (length < 0 || length > in.remaining() || !section.accepts(length)) {
        throw new IllegalArgumentException(
            "vCPU state: %s of %d bytes, %d left".formatted(section, length, in.remaining()));
      }
      byte[] bytes = new byte[length];
      in.get(bytes);
      sections.put(section, bytes);
      last = number;
    }
    if (in.hasRemaining()) {
      throw new IllegalArgumentException("vCPU state: " + in.remaining() + " bytes left over");
    }
    requireWhole(sections);
    return new VcpuState(sections);
  }

  private static Section of(int number) {
    for (Section section : Section.values()) {
      if (section.wireNumber == number) {
        return section;
      }
    }
    throw new IllegalArgumentException("vCPU state: part " + number);
  }

  private static void requireWhole(Map<Section, byte[]> sections) {
    List<Section> missing = new ArrayList<>();
    for (Section section : Section.values()) {
      boolean required =
          switch (section) {
            case MP_STATE, SREGS, REGS, DEBUGREGS, MSRS, EVENTS -> true;
            case FPU -> !sections.containsKey(Section.XSAVE);
            case XSAVE -> !sections.containsKey(Section.FPU);
            case XCRS -> sections.containsKey(Section.XSAVE);
          };
      if (required != sections.containsKey(section)) {
        missing.add(section);
      }
    }
    if (!missing.isEmpty()) {
      throw new IllegalArgumentException("vCPU state: parts missing or too many: " + missing);
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof VcpuState that && differences(that).isEmpty();
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(encode());
  }

  @Override
  public String toString() {
    return "VcpuState" + sections.keySet();
  }
}
