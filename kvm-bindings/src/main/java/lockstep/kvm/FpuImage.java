package lockstep.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import lockstep.sys.SysException;
import lockstep.uapi.kvm_fpu;
import lockstep.uapi.kvm_h;
import lockstep.uapi.kvm_xsave;
import lockstep.uapi.posix_h;

/**
 * x87 and SSE state as {@code struct kvm_fpu}, read and written through the XSAVE image.
 *
 * <p>KVM_GET_FPU and KVM_SET_FPU copy the legacy region alone and leave the XSAVE header: registers
 * that the CPU holds to be in their initial state come back stale, and what is set for them is
 * ignored at the next entry (Linux, arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_get_fpu). The XSAVE
 * calls do both right. Layout: Intel SDM volume 1, 13.4.1, table 10-2.
 */
final class FpuImage {
  private static final long FCW = 0;
  private static final long ST = 32;
  private static final long MXCSR = 24;
  private static final long XMM = 160;
  private static final long XSTATE_BV = 512;
  private static final long X87_AND_SSE = 3;

  /** FCW, FSW, abridged FTW, FOP, RIP and RDP lie the same way in both. */
  private static final long CONTROL_BYTES = 24;

  private static final long ST_BYTES = 8 * 16;
  private static final long XMM_BYTES = 16 * 16;
  private static final long MXCSR_BYTES = 4;

  private FpuImage() {}

  /** Reads the state as {@code struct kvm_fpu}. */
  static byte[] read(VcpuFd vcpu, Arena arena) throws SysException {
    MemorySegment fpu = kvm_fpu.allocate(arena);
    MemorySegment xsave = arena.allocate(kvm_xsave.sizeof(), Long.BYTES);
    if (!get(vcpu, xsave)) {
      vcpu.ioctl(kvm_h.KVM_GET_FPU, fpu, "KVM_GET_FPU");
      return fpu.toArray(JAVA_BYTE);
    }
    MemorySegment.copy(xsave, FCW, fpu, kvm_fpu.fcw$offset(), CONTROL_BYTES);
    MemorySegment.copy(xsave, ST, fpu, kvm_fpu.fpr$offset(), ST_BYTES);
    MemorySegment.copy(xsave, XMM, fpu, kvm_fpu.xmm$offset(), XMM_BYTES);
    MemorySegment.copy(xsave, MXCSR, fpu, kvm_fpu.mxcsr$offset(), MXCSR_BYTES);
    return fpu.toArray(JAVA_BYTE);
  }

  /** Writes the state that {@link #read} returned. */
  static void write(VcpuFd vcpu, Arena arena, byte[] bytes) throws SysException {
    MemorySegment fpu = kvm_fpu.allocate(arena);
    MemorySegment.copy(bytes, 0, fpu, JAVA_BYTE, 0, bytes.length);
    MemorySegment xsave = arena.allocate(kvm_xsave.sizeof(), Long.BYTES);
    if (!get(vcpu, xsave)) {
      vcpu.ioctl(kvm_h.KVM_SET_FPU, fpu, "KVM_SET_FPU");
      return;
    }
    MemorySegment.copy(fpu, kvm_fpu.fcw$offset(), xsave, FCW, CONTROL_BYTES);
    MemorySegment.copy(fpu, kvm_fpu.fpr$offset(), xsave, ST, ST_BYTES);
    MemorySegment.copy(fpu, kvm_fpu.xmm$offset(), xsave, XMM, XMM_BYTES);
    MemorySegment.copy(fpu, kvm_fpu.mxcsr$offset(), xsave, MXCSR, MXCSR_BYTES);
    long present = xsave.get(JAVA_LONG_UNALIGNED, XSTATE_BV);
    xsave.set(JAVA_LONG_UNALIGNED, XSTATE_BV, present | X87_AND_SSE);
    vcpu.ioctl(kvm_h.KVM_SET_XSAVE, xsave, "KVM_SET_XSAVE");
  }

  /** False on a CPU without XSAVE, where the FPU calls are all there is, and are right. */
  private static boolean get(VcpuFd vcpu, MemorySegment xsave) throws SysException {
    try {
      vcpu.ioctl(kvm_h.KVM_GET_XSAVE, xsave, "KVM_GET_XSAVE");
      return true;
    } catch (SysException e) {
      if (e.errno() == posix_h.EINVAL) {
        return false;
      }
      throw e;
    }
  }
}
