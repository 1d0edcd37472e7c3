package lockstep.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.Signals;
import lockstep.sys.SysException;
import lockstep.uapi.kvm_cpuid2;
import lockstep.uapi.kvm_h;
import lockstep.uapi.kvm_msr_list;
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

  // KVM itself has at most 256 CPUID entries (KVM_MAX_CPUID_ENTRIES) and some 200 MSRs.
  private static final int MAX_CPUID_ENTRIES = 256;
  private static final int MAX_MSRS = 4096;

  // KVM_CREATE_VM gives up with EINTR when a signal comes; more than a few in a row is no accident.
  private static final int CREATE_ATTEMPTS = 100;

  private final Fd fd;
  private final long runBytes;

  private Kvm(Fd fd, long runBytes) {
    this.fd = fd;
    this.runBytes = runBytes;
  }

  /**
   * Opens {@value #DEVICE} and checks that it speaks the stable API.
   *
   * @throws SysException ENOENT: no KVM in this kernel; EACCES: no permission; EPROTO: an API
   *     version other than 12; EOPNOTSUPP: a required {@link KvmCapability} is absent
   */
  public static Kvm open() throws SysException {
    return open(DEVICE);
  }

  /** The same for another path. */
  static Kvm open(String device) throws SysException {
    Signals.installKickHandler();
    Fd fd = Posix.open(device, posix_h.O_RDWR);
    try {
      int version = Posix.ioctl(fd, kvm_h.KVM_GET_API_VERSION, 0, "KVM_GET_API_VERSION");
      if (version != kvm_h.KVM_API_VERSION) {
        throw new SysException("KVM_GET_API_VERSION", device, posix_h.EPROTO);
      }
      long runBytes = Posix.ioctl(fd, kvm_h.KVM_GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE");
      Kvm kvm = new Kvm(fd, runBytes);
      for (KvmCapability capability : KvmCapability.values()) {
        if (capability.required() && !kvm.has(capability)) {
          throw new SysException("KVM_CAP_" + capability, device, posix_h.EOPNOTSUPP);
        }
      }
      return kvm;
    } catch (SysException | RuntimeException e) {
      fd.close();
      throw e;
    }
  }

  /** What KVM_CHECK_EXTENSION says of a KVM_CAP_*: 0 = absent. */
  public int capability(int capability) throws SysException {
    // Safe: takes and returns numbers.
    return Posix.ioctl(fd, kvm_h.KVM_CHECK_EXTENSION, capability, "KVM_CHECK_EXTENSION");
  }

  /** Whether this KVM can do it. */
  public boolean has(KvmCapability capability) throws SysException {
    return capability(capability.number()) > 0;
  }

  /** What this KVM can do, with KVM_CHECK_EXTENSION's value; absent ones are not in the map. */
  public Map<KvmCapability, Integer> capabilities() throws SysException {
    Map<KvmCapability, Integer> present = new EnumMap<>(KvmCapability.class);
    for (KvmCapability capability : KvmCapability.values()) {
      int value = capability(capability.number());
      if (value > 0) {
        present.put(capability, value);
      }
    }
    return present;
  }

  /** Creates an empty virtual machine. */
  public VmFd createVm() throws SysException {
    int[] msrs = msrIndices();
    for (int attempt = 1; ; attempt++) {
      try {
        int vm = Posix.ioctl(fd, kvm_h.KVM_CREATE_VM, 0, "KVM_CREATE_VM");
        return new VmFd(new Fd(vm, "VM"), runBytes, msrs);
      } catch (SysException e) {
        if (e.errno() != posix_h.EINTR || attempt == CREATE_ATTEMPTS) {
          throw e;
        }
      }
    }
  }

  /** The CPUID entries that this host and its KVM can offer to a guest. */
  public Cpuid supportedCpuid() throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment table = Cpuid.allocate(arena, MAX_CPUID_ENTRIES);
      kvm_cpuid2.nent(table, MAX_CPUID_ENTRIES);
      // Safe: the kernel writes at most nent entries, for which there is room.
      Posix.ioctl(fd, kvm_h.KVM_GET_SUPPORTED_CPUID, table.address(), "KVM_GET_SUPPORTED_CPUID");
      return Cpuid.of(table);
    }
  }

  /** The MSRs that hold guest state according to KVM (KVM_GET_MSR_INDEX_LIST). */
  public int[] msrIndices() throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment list =
          arena.allocate(kvm_msr_list.sizeof() + (long) MAX_MSRS * Integer.BYTES, Long.BYTES);
      kvm_msr_list.nmsrs(list, MAX_MSRS);
      // Safe: the kernel writes at most nmsrs indices, for which there is room.
      Posix.ioctl(fd, kvm_h.KVM_GET_MSR_INDEX_LIST, list.address(), "KVM_GET_MSR_INDEX_LIST");
      return list.asSlice(
              kvm_msr_list.indices$offset(), (long) kvm_msr_list.nmsrs(list) * Integer.BYTES)
          .toArray(JAVA_INT);
    }
  }

  @Override
  public void close() {
    fd.close();
  }
}
