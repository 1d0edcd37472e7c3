package lockstep.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import lockstep.kvm.VcpuState.Section;
import lockstep.sys.SysException;
import lockstep.uapi.kvm_h;
import lockstep.uapi.kvm_msr_entry;
import lockstep.uapi.kvm_msrs;
import lockstep.uapi.kvm_segment;
import lockstep.uapi.kvm_sregs;
import lockstep.uapi.kvm_vcpu_events;
import lockstep.uapi.posix_h;

/**
 * Reads and writes the whole state of a vCPU. The last exit's instruction must be complete ({@link
 * VcpuFd#completeInstruction}), or a port instruction runs twice after a restore. Owned by the
 * vCPU's thread.
 */
public final class VcpuStateAccess {
  private static final int LEAF_FEATURES = 1;
  private static final int ECX_XSAVE = 1 << 26;
  private static final long EFER_LMA = 1 << 10;
  private static final long CR4_LA57 = 1 << 12;

  /**
   * The MSRs that are state: those that a machine lets its guest reach and that are not in {@code
   * kvm_sregs} (EFER, FS.base and GS.base are). What KVM lists beyond them differs from one KVM to
   * the next, and a guest that cannot reach it cannot tell.
   */
  private static final int[] STATE_MSRS = {
    0x174,
    0x175,
    0x176, // SYSENTER_CS, _ESP, _EIP
    0x277, // PAT
    0xc000_0081,
    0xc000_0082,
    0xc000_0083,
    0xc000_0084, // STAR, LSTAR, CSTAR, SFMASK
    0xc000_0102, // KernelGSbase
  };

  private final VcpuFd vcpu;
  private final int[] listed;
  private boolean xsave;
  private List<Integer> stateMsrs = List.of();

  VcpuStateAccess(VcpuFd vcpu, int[] listed) {
    this.vcpu = vcpu;
    this.listed = listed.clone();
  }

  /** The guest has XSAVE state exactly if its CPUID says so. */
  void cpuidSet(Cpuid table) {
    xsave = table.find(LEAF_FEATURES, 0).filter(e -> (e.ecx() & ECX_XSAVE) != 0).isPresent();
  }

  /** Reads everything. */
  public VcpuState capture() throws SysException {
    if (stateMsrs.isEmpty()) {
      stateMsrs = findStateMsrs();
    }
    Map<Section, byte[]> sections = new EnumMap<>(Section.class);
    try (Arena arena = Arena.ofConfined()) {
      for (Section section : Section.values()) {
        if (section == Section.MSRS) {
          sections.put(section, readMsrs(arena));
        } else if (section == Section.FPU && applies(section)) {
          sections.put(section, FpuImage.read(vcpu, arena));
        } else if (applies(section)) {
          MemorySegment struct = arena.allocate(structBytes(getRequest(section)), Long.BYTES);
          vcpu.ioctl(getRequest(section), struct, "KVM_GET " + section);
          if (section == Section.EVENTS) {
            forgetPastEvents(struct);
          } else if (section == Section.SREGS) {
            markUnusable(struct);
            forgetMeaninglessLongBit(struct);
          }
          sections.put(section, struct.toArray(JAVA_BYTE));
        }
      }
    }
    return new VcpuState(sections);
  }

  /**
   * "Unusable" is VMX's word for a segment that is not present, and each KVM fills it in its own
   * way (seen: after an interrupt from user mode, with SS null, kvm_pvm says 0 and kvm_amd 1). The
   * guest cannot see it; here it always is the opposite of present, as kvm_amd has it.
   */
  private static void markUnusable(MemorySegment sregs) {
    for (SystemRegisters.SegmentName name : SystemRegisters.SegmentName.values()) {
      MemorySegment segment = sregs.asSlice(name.offset(), kvm_segment.sizeof());
      kvm_segment.unusable(segment, (byte) (kvm_segment.present(segment) == 0 ? 1 : 0));
    }
  }

  /**
   * Outside long mode the L bit of a code segment means nothing. KVM shows what the guest loaded
   * and refuses to take it back (Linux, arch/x86/kvm/x86.c, kvm_is_valid_sregs).
   */
  private static void forgetMeaninglessLongBit(MemorySegment sregs) {
    if ((kvm_sregs.efer(sregs) & EFER_LMA) == 0) {
      kvm_segment.l(
          sregs.asSlice(SystemRegisters.SegmentName.CS.offset(), kvm_segment.sizeof()), (byte) 0);
    }
  }

  /**
   * KVM leaves the numbers of the last exception and interrupt there after they were delivered.
   * They are no state, and with shadow paging even faults that the guest never sees leave them.
   */
  private static void forgetPastEvents(MemorySegment events) {
    MemorySegment exception = kvm_vcpu_events.exception(events);
    if (kvm_vcpu_events.exception.injected(exception) == 0
        && kvm_vcpu_events.exception.pending(exception) == 0) {
      exception.fill((byte) 0);
      kvm_vcpu_events.exception_has_payload(events, (byte) 0);
      kvm_vcpu_events.exception_payload(events, 0);
    }
    MemorySegment interrupt = kvm_vcpu_events.interrupt(events);
    if (kvm_vcpu_events.interrupt.injected(interrupt) == 0) {
      kvm_vcpu_events.interrupt.nr(interrupt, (byte) 0);
      kvm_vcpu_events.interrupt.soft(interrupt, (byte) 0);
    }
  }

  /**
   * Writes everything; the vCPU must have the CPUID table of the one that the state is from.
   *
   * @throws SysException if this KVM refuses a part; the vCPU is then unusable
   */
  public void restore(VcpuState state) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      for (Section section : Section.values()) {
        if (applies(section) != state.has(section)) {
          throw new SysException("restore " + section, "vCPU", posix_h.EINVAL);
        }
        byte[] bytes = state.section(section);
        if (section == Section.MSRS) {
          writeMsrs(arena, bytes);
        } else if (section == Section.FPU && applies(section)) {
          FpuImage.write(vcpu, arena, bytes);
        } else if (applies(section)) {
          MemorySegment struct = arena.allocate(bytes.length, Long.BYTES);
          MemorySegment.copy(bytes, 0, struct, JAVA_BYTE, 0, bytes.length);
          vcpu.ioctl(setRequest(section), struct, "KVM_SET " + section);
          if (section == Section.SREGS) {
            // Without an in-kernel APIC every KVM_RUN loads CR8 from here.
            vcpu.taskPriority(kvm_sregs.cr8(struct));
          }
        }
      }
    }
  }

  private boolean applies(Section section) {
    return switch (section) {
      case MP_STATE, SREGS, REGS, DEBUGREGS, MSRS, EVENTS -> true;
      case FPU -> !xsave;
      case XSAVE, XCRS -> xsave;
    };
  }

  /** An ioctl number carries the size of its struct in bits 16 to 29 (asm-generic/ioctl.h). */
  private static long structBytes(long request) {
    return request >>> 16 & 0x3fff;
  }

  private static long getRequest(Section section) {
    return switch (section) {
      case MP_STATE -> kvm_h.KVM_GET_MP_STATE;
      case SREGS -> kvm_h.KVM_GET_SREGS;
      case REGS -> kvm_h.KVM_GET_REGS;
      case FPU -> kvm_h.KVM_GET_FPU;
      case XSAVE -> kvm_h.KVM_GET_XSAVE;
      case XCRS -> kvm_h.KVM_GET_XCRS;
      case DEBUGREGS -> kvm_h.KVM_GET_DEBUGREGS;
      case MSRS -> kvm_h.KVM_GET_MSRS;
      case EVENTS -> kvm_h.KVM_GET_VCPU_EVENTS;
    };
  }

  private static long setRequest(Section section) {
    return switch (section) {
      case MP_STATE -> kvm_h.KVM_SET_MP_STATE;
      case SREGS -> kvm_h.KVM_SET_SREGS;
      case REGS -> kvm_h.KVM_SET_REGS;
      case FPU -> kvm_h.KVM_SET_FPU;
      case XSAVE -> kvm_h.KVM_SET_XSAVE;
      case XCRS -> kvm_h.KVM_SET_XCRS;
      case DEBUGREGS -> kvm_h.KVM_SET_DEBUGREGS;
      case MSRS -> kvm_h.KVM_SET_MSRS;
      case EVENTS -> kvm_h.KVM_SET_VCPU_EVENTS;
    };
  }

  private List<Integer> findStateMsrs() {
    List<Integer> found = new ArrayList<>();
    for (int index : listed) {
      if (isState(index)) {
        found.add(index);
      }
    }
    found.sort(Integer::compareUnsigned);
    return List.copyOf(found);
  }

  /** Whether an MSR is in the state, if this KVM has it. */
  public static boolean isState(int index) {
    return Arrays.stream(STATE_MSRS).anyMatch(state -> state == index);
  }

  private byte[] readMsrs(Arena arena) throws SysException {
    MemorySegment msrs = allocateMsrs(arena, stateMsrs.size());
    MemorySegment entries = msrs.asSlice(kvm_msrs.entries$offset());
    for (int i = 0; i < stateMsrs.size(); i++) {
      kvm_msr_entry.index(kvm_msr_entry.asSlice(entries, i), stateMsrs.get(i));
    }
    transfer(kvm_h.KVM_GET_MSRS, "KVM_GET_MSRS", msrs, stateMsrs.size());
    vcpu.readSregs();
    boolean wide = (vcpu.sregs().cr4() & CR4_LA57) != 0;
    for (int i = 0; i < stateMsrs.size(); i++) {
      MemorySegment entry = kvm_msr_entry.asSlice(entries, i);
      if (holdsAddress(kvm_msr_entry.index(entry))) {
        kvm_msr_entry.data(entry, canonical(kvm_msr_entry.data(entry), wide));
      }
    }
    return entries.toArray(JAVA_BYTE);
  }

  private static boolean holdsAddress(int index) {
    return switch (index) {
      // SYSENTER_ESP, _EIP, LSTAR, CSTAR, KernelGSbase
      case 0x175, 0x176, 0xc000_0082, 0xc000_0083, 0xc000_0102 -> true;
      default -> false;
    };
  }

  /**
   * A CPU raises #GP for an address that is not canonical, and KVM refuses it. A guest can have one
   * all the same where it writes the MSR without KVM and the CPU does not check it (seen: QEMU's
   * emulation of SVM, CSTAR): its state must be one that can be restored.
   *
   * @param wide addresses have 57 bits and not 48
   */
  static long canonical(long address, boolean wide) {
    int unused = wide ? 7 : 16;
    return address << unused >> unused;
  }

  private void writeMsrs(Arena arena, byte[] bytes) throws SysException {
    int count = (int) (bytes.length / kvm_msr_entry.sizeof());
    MemorySegment msrs = allocateMsrs(arena, count);
    MemorySegment.copy(bytes, 0, msrs, JAVA_BYTE, kvm_msrs.entries$offset(), bytes.length);
    transfer(kvm_h.KVM_SET_MSRS, "KVM_SET_MSRS", msrs, count);
  }

  private static MemorySegment allocateMsrs(Arena arena, int count) {
    MemorySegment msrs =
        arena.allocate(kvm_msrs.entries$offset() + count * kvm_msr_entry.sizeof(), Long.BYTES);
    kvm_msrs.nmsrs(msrs, count);
    return msrs;
  }

  private void transfer(long request, String name, MemorySegment msrs, int count)
      throws SysException {
    // Safe: the segment has room for the entries that nmsrs announces.
    int done = vcpu.ioctl(request, msrs, name);
    if (done != count) {
      MemorySegment refused = kvm_msr_entry.asSlice(msrs.asSlice(kvm_msrs.entries$offset()), done);
      throw new SysException(name, Msrs.name(kvm_msr_entry.index(refused)), posix_h.EINVAL);
    }
  }
}
