package lockstep.kvm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalLong;
import lockstep.sys.SysException;
import lockstep.uapi.kvm_h;
import lockstep.uapi.kvm_msr_entry;
import lockstep.uapi.kvm_msrs;

/** MSRs of a vCPU one by one, read and written as the host, past the filter. */
final class Msrs {
  private Msrs() {}

  static String name(int index) {
    return "MSR 0x" + Integer.toHexString(index);
  }

  /** Empty if this KVM has no such MSR. */
  static OptionalLong get(VcpuFd vcpu, int index) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment msrs = one(arena, index);
      // Safe: the segment has room for the one entry that nmsrs announces.
      int done = vcpu.ioctl(kvm_h.KVM_GET_MSRS, msrs, "KVM_GET_MSRS");
      return done == 1 ? OptionalLong.of(kvm_msr_entry.data(entry(msrs))) : OptionalLong.empty();
    }
  }

  /** False if this KVM does not accept the value. */
  static boolean set(VcpuFd vcpu, int index, long value) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment msrs = one(arena, index);
      kvm_msr_entry.data(entry(msrs), value);
      // Safe: as above.
      return vcpu.ioctl(kvm_h.KVM_SET_MSRS, msrs, "KVM_SET_MSRS") == 1;
    }
  }

  private static MemorySegment one(Arena arena, int index) {
    MemorySegment msrs =
        arena.allocate(kvm_msrs.entries$offset() + kvm_msr_entry.sizeof(), Long.BYTES);
    kvm_msrs.nmsrs(msrs, 1);
    kvm_msr_entry.index(entry(msrs), index);
    return msrs;
  }

  private static MemorySegment entry(MemorySegment msrs) {
    return msrs.asSlice(kvm_msrs.entries$offset(), kvm_msr_entry.sizeof());
  }
}
