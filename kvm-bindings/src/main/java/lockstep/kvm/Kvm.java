package lockstep.kvm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import lockstep.sys.Posix;
import lockstep.sys.Signals;
import lockstep.sys.SysException;
import lockstep.uapi.kvm_cpuid2;
import lockstep.uapi.kvm_h;
import lockstep.uapi.posix_h;

/**
 * The host's KVM. A whole virtual machine in a few steps:
 *
 * <pre>{@code
 * try (Kvm kvm = Kvm.open();
 *     GuestMemory memory = GuestMemory.allocate(1 << 20, 1 << 20);
 *     VmFd vm = kvm.createVm()) {
 *   vm.setMemory(memory, false);
 *   memory.write(0x1000, new byte[] {(byte) 0xf4}, 0, 1); // hlt
 *   try (VcpuFd vcpu = vm.createVcpu()) {
 *     // set CS:IP to 0:1000 through sregs and regs, then
 *     vcpu.run(); // true, exitReason() == KVM_EXIT_HLT
 *   }
 * }
 * }</pre>
 */
public final class Kvm implements AutoCloseable {
  /** The only device this project opens to run guests. */
  public static final String DEVICE = "/dev/kvm";

  private static final int MAX_CPUID_ENTRIES = 256;

  private final int fd;
  private final long runBytes;
  private boolean closed;

  private Kvm(int fd, long runBytes) {
    this.fd = fd;
    this.runBytes = runBytes;
  }

  /**
   * Opens {@value #DEVICE} and checks that it speaks the stable API.
   *
   * @throws SysException ENOENT: no KVM in this kernel; EACCES: no permission; EPROTO: an API
   *     version other than 12
   */
  public static Kvm open() throws SysException {
    Signals.installKickHandler();
    int fd = Posix.open(DEVICE, posix_h.O_RDWR);
    try {
      int version = Posix.ioctl(fd, kvm_h.KVM_GET_API_VERSION, 0, "KVM_GET_API_VERSION", DEVICE);
      if (version != kvm_h.KVM_API_VERSION) {
        throw new SysException("KVM_GET_API_VERSION", DEVICE, posix_h.EPROTO);
      }
      long runBytes =
          Posix.ioctl(fd, kvm_h.KVM_GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE", DEVICE);
      return new Kvm(fd, runBytes);
    } catch (SysException e) {
      Posix.close(fd);
      throw e;
    }
  }

  /** What KVM_CHECK_EXTENSION says of a KVM_CAP_*: 0 = absent. */
  public int capability(int capability) throws SysException {
    return Posix.ioctl(fd, kvm_h.KVM_CHECK_EXTENSION, capability, "KVM_CHECK_EXTENSION", DEVICE);
  }

  /** Creates an empty virtual machine. */
  public VmFd createVm() throws SysException {
    return new VmFd(Posix.ioctl(fd, kvm_h.KVM_CREATE_VM, 0, "KVM_CREATE_VM", DEVICE), runBytes);
  }

  /** The CPUID entries that this host and its KVM can offer to a guest. */
  public Cpuid supportedCpuid() throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment table = Cpuid.allocate(arena, MAX_CPUID_ENTRIES);
      kvm_cpuid2.nent(table, MAX_CPUID_ENTRIES);
      // Safe: the kernel writes at most nent entries, for which there is room.
      Posix.ioctl(
          fd, kvm_h.KVM_GET_SUPPORTED_CPUID, table.address(), "KVM_GET_SUPPORTED_CPUID", DEVICE);
      return Cpuid.of(table);
    }
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      Posix.close(fd);
    }
  }
}
