package lockstep.monitor.probe;

import static lockstep.uapi.kvm_h.KVM_EXIT_IO;
import static lockstep.uapi.kvm_h.KVM_EXIT_SHUTDOWN;

import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import lockstep.kvm.Cpuid;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.Kvm;
import lockstep.kvm.Reg;
import lockstep.kvm.Segment;
import lockstep.kvm.SystemRegisters;
import lockstep.kvm.SystemRegisters.SegmentName;
import lockstep.kvm.VcpuFd;
import lockstep.kvm.VmFd;
import lockstep.monitor.host.KickTimer;
import lockstep.sys.SysException;

/**
 * A VM of 4 MiB in 64-bit mode for a few instructions. The first MiB is for the kernel only, the
 * second for user code, both mapped one to one; the guest answers by {@code OUT 0x10, EAX}.
 */
public final class ProbeGuest implements AutoCloseable {
  /** Where kernel code of a probe goes. */
  public static final long KERNEL_CODE = 0x1_0000;

  /** Where LSTAR points: kernel code, on a page that user code may not fetch. */
  public static final long SYSCALL_ENTRY = 0x2_0000;

  /** Where user code of a probe goes. */
  public static final long USER_CODE = 0x20_0000;

  /** The port for answers. */
  public static final int ANSWER_PORT = 0x10;

  private static final long SIZE_BYTES = 4 << 20;
  private static final int PAGE_BYTES = 4096;
  private static final long PAGE_TABLES = 0x1000;
  private static final long GDT = 0x5000;
  private static final long STACK_TOP = 0x9000;
  private static final int PRESENT_WRITE = 3;
  private static final int USER = 4;
  private static final int LARGE = 0x80;
  private static final long CR0_PG_WP_NE_ET_MP_PE = 0x8001_0033L;
  private static final long CR4_OSFXSR_PAE = 0x220;
  private static final long EFER_NX_LMA_LME_SCE = 0xd01;
  private static final int MSR_STAR = 0xc000_0081;
  private static final int MSR_LSTAR = 0xc000_0082;

  /** Far above what a few instructions take on the slowest KVM, a few milliseconds. */
  private static final long LIMIT_NANOS = TimeUnit.SECONDS.toNanos(2);

  private final GuestMemory memory;
  private final VmFd vm;
  private final VcpuFd vcpu;

  /** What the guest did last. */
  public sealed interface Answer {
    /** It wrote {@code eax} to the answer port. */
    record Value(int eax) implements Answer {}

    /** It triple-faulted. */
    record TripleFault() implements Answer {}

    /** KVM came back with another exit, {@code KVM_EXIT_*}. */
    record OtherExit(int reason) implements Answer {}

    /** It did nothing of this within the time limit. */
    record Silent() implements Answer {}
  }

  /**
   * Builds the VM.
   *
   * @param cpuid what CPUID is set to show
   */
  public ProbeGuest(Kvm kvm, Cpuid cpuid) throws SysException {
    memory = GuestMemory.allocate(SIZE_BYTES, SIZE_BYTES);
    Optional<VmFd> openVm = Optional.empty();
    Optional<VcpuFd> openVcpu = Optional.empty();
    boolean ready = false;
    try {
      vm = kvm.createVm();
      openVm = Optional.of(vm);
      vm.reserveVmxPages();
      vm.setMemory(memory, false);
      vcpu = vm.createVcpu();
      openVcpu = Optional.of(vcpu);
      vcpu.setCpuid(cpuid);
      tables();
      longMode();
      ready = true;
    } finally {
      if (!ready) {
        openVcpu.ifPresent(VcpuFd::close);
        openVm.ifPresent(VmFd::close);
        memory.close();
      }
    }
  }

  private void tables() {
    putLong(PAGE_TABLES, (PAGE_TABLES + 0x1000) | PRESENT_WRITE | USER);
    putLong(PAGE_TABLES + 0x1000, (PAGE_TABLES + 0x2000) | PRESENT_WRITE | USER);
    putLong(PAGE_TABLES + 0x2000, PRESENT_WRITE | LARGE);
    putLong(PAGE_TABLES + 0x2008, USER_CODE | PRESENT_WRITE | LARGE | USER);
    long[] descriptors = {
      0,
      0,
      0x00af_9b00_0000_ffffL, // 0x10 kernel code, 64-bit
      0x00cf_9300_0000_ffffL, // 0x18 kernel data
      0x00cf_fb00_0000_ffffL, // 0x20 user code, 32-bit
      0x00cf_f300_0000_ffffL, // 0x28 user data
      0x00af_fb00_0000_ffffL, // 0x30 user code, 64-bit
    };
    for (int i = 0; i < descriptors.length; i++) {
      putLong(GDT + 8L * i, descriptors[i]);
    }
  }

  private void longMode() throws SysException {
    vcpu.readSregs();
    SystemRegisters system = vcpu.sregs();
    system.segment(SegmentName.CS, new Segment(0x10, 0, -1, 0xb, true, 0, false, true, true, true));
    for (SegmentName name :
        new SegmentName[] {
          SegmentName.DS, SegmentName.ES, SegmentName.FS, SegmentName.GS, SegmentName.SS
        }) {
      system.segment(name, new Segment(0x18, 0, -1, 3, true, 0, true, true, false, true));
    }
    system.gdt(GDT, 0x37);
    system.idt(0, 0);
    system.disableApic();
    system.control(CR0_PG_WP_NE_ET_MP_PE, PAGE_TABLES, CR4_OSFXSR_PAE, EFER_NX_LMA_LME_SCE);
    vcpu.writeSregs();
    vcpu.setMsr(MSR_STAR, 0x0020_0010L << 32);
    vcpu.setMsr(MSR_LSTAR, SYSCALL_ENTRY);
    vcpu.readRegs();
    vcpu.reg(Reg.RIP, KERNEL_CODE);
    vcpu.reg(Reg.RSP, STACK_TOP);
    vcpu.reg(Reg.RFLAGS, 2);
    vcpu.writeRegs();
  }

  private void putLong(long address, long value) {
    for (int i = 0; i < 8; i++) {
      memory.write(address + i, new byte[] {(byte) (value >>> (8 * i))}, 0, 1);
    }
  }

  /** Puts machine code at an address, an octet an argument. */
  public ProbeGuest code(long address, int... octets) {
    byte[] bytes = new byte[octets.length];
    for (int i = 0; i < octets.length; i++) {
      bytes[i] = (byte) octets[i];
    }
    memory.write(address, bytes, 0, bytes.length);
    return this;
  }

  /**
   * Puts machine code at an address.
   *
   * @param hex the code, an instruction a string, blanks allowed
   */
  public ProbeGuest code(long address, String... hex) {
    byte[] octets = HexFormat.of().parseHex(String.join("", hex).replace(" ", ""));
    memory.write(address, octets, 0, octets.length);
    return this;
  }

  /** Kernel code that goes to user code at once, in three instructions. */
  public ProbeGuest enterUser() {
    return code(
        KERNEL_CODE,
        "b900002000", // mov ecx, USER_CODE
        "41bb02000000", // mov r11d, 2
        "480f07"); // sysretq
  }

  /**
   * Starts in user code instead, without an instruction that leads there: SYSRET would load the
   * flags and with them what single-step keeps there.
   */
  public ProbeGuest startInUser() throws SysException {
    vcpu.readSregs();
    vcpu.sregs()
        .segment(SegmentName.CS, new Segment(0x33, 0, -1, 0xb, true, 3, false, true, true, true));
    vcpu.sregs()
        .segment(SegmentName.SS, new Segment(0x2b, 0, -1, 3, true, 3, true, true, false, true));
    vcpu.writeSregs();
    vcpu.readRegs();
    vcpu.reg(Reg.RIP, USER_CODE);
    vcpu.writeRegs();
    return this;
  }

  /** Four bytes of guest memory. */
  public int word(long address) {
    return memory.getInt(address);
  }

  /** Where the guest stands. */
  public long rip() throws SysException {
    vcpu.readRegs();
    return vcpu.reg(Reg.RIP);
  }

  /** Switches the dirty log on. */
  public void trackDirtyPages() throws SysException {
    vm.setMemory(memory, true);
  }

  /** The dirty log by page, which is cleared by this. */
  public boolean[] dirtyPages() throws SysException {
    long[] log = vm.dirtyLog(memory.regions().getFirst());
    boolean[] dirty = new boolean[(int) (SIZE_BYTES / PAGE_BYTES)];
    for (int page = 0; page < dirty.length; page++) {
      dirty[page] = (log[page / Long.SIZE] >>> (page % Long.SIZE) & 1) != 0;
    }
    return dirty;
  }

  /** The vCPU, for what a probe does beside running. */
  public VcpuFd vcpu() {
    return vcpu;
  }

  /** Runs to the next answer; the calling thread becomes the vCPU's. */
  public Answer run() throws SysException {
    vcpu.kick().bindToThisThread();
    vcpu.clearKick();
    try (KickTimer limit = new KickTimer(vcpu.kick()::kick)) {
      limit.wakeAt(System.nanoTime() + LIMIT_NANOS);
      if (!vcpu.run()) {
        return new Answer.Silent();
      }
    }
    return switch (vcpu.exitReason()) {
      case KVM_EXIT_IO ->
          vcpu.ioPort() == ANSWER_PORT && vcpu.ioIsOut()
              ? new Answer.Value(vcpu.ioData(0))
              : new Answer.OtherExit(KVM_EXIT_IO);
      case KVM_EXIT_SHUTDOWN -> new Answer.TripleFault();
      default -> new Answer.OtherExit(vcpu.exitReason());
    };
  }

  @Override
  public void close() {
    vcpu.close();
    vm.close();
    memory.close();
  }
}
