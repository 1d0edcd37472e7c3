package lockstep.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.Sys;
import lockstep.sys.SysException;
import lockstep.uapi.kvm_h;
import lockstep.uapi.kvm_interrupt;
import lockstep.uapi.kvm_regs;
import lockstep.uapi.kvm_run;
import lockstep.uapi.kvm_translation;
import lockstep.uapi.kvm_vcpu_events;
import lockstep.uapi.posix_h;

/**
 * A virtual CPU: KVM_RUN, the exit it came back with, and the registers. All calls must come from
 * the thread that runs the vCPU. The accessors of exit fields read the shared kvm_run page and
 * allocate nothing. Source: Linux, Documentation/virt/kvm/api.rst.
 */
public final class VcpuFd implements AutoCloseable {
  private static final long IO = kvm_run.io$offset();
  private static final long MMIO = kvm_run.mmio$offset();
  private static final long MSR = kvm_run.msr$offset();
  private static final long INTERNAL = kvm_run.internal$offset();
  private static final int INTERNAL_DATA_WORDS = 16;

  private final Fd fd;
  private final Arena arena;
  private final MemorySegment run;
  private final MemorySegment errnoSlot;
  private final MemorySegment regs;
  private final SystemRegisters sregs;
  private final MemorySegment interrupt;
  private final MemorySegment events;
  private final GuestDebug debug;
  private final VcpuStateAccess state;
  private final VcpuKick kick;
  private boolean closed;

  /** Takes over {@code fd} if it succeeds. */
  static VcpuFd create(Fd fd, long runBytes, int[] msrIndices) throws SysException {
    // Shared: the thread that builds a machine is not the one that runs it.
    Arena arena = Arena.ofShared();
    try {
      // The kernel's own mapping of kvm_run and of the port data behind it.
      MemorySegment run =
          Posix.mmap(
              arena,
              runBytes,
              posix_h.PROT_READ | posix_h.PROT_WRITE,
              posix_h.MAP_SHARED,
              fd.number(),
              "the vCPU's kvm_run");
      return new VcpuFd(fd, arena, run, msrIndices);
    } catch (SysException | RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private VcpuFd(Fd fd, Arena arena, MemorySegment run, int[] msrIndices) {
    this.fd = fd;
    this.arena = arena;
    this.run = run;
    this.errnoSlot = Sys.errnoSlot(arena);
    this.regs = kvm_regs.allocate(arena);
    this.sregs = new SystemRegisters(arena);
    this.interrupt = kvm_interrupt.allocate(arena);
    this.events = kvm_vcpu_events.allocate(arena);
    this.debug = new GuestDebug(this, run, arena);
    this.state = new VcpuStateAccess(this, msrIndices);
    this.kick = new VcpuKick(run);
  }

  /**
   * Enters the guest (KVM_RUN) until an exit.
   *
   * @return true for an exit whose reason is set, false if a kick or {@code immediate_exit} ended
   *     the call
   */
  public boolean run() throws SysException {
    // Safe: KVM_RUN takes no argument; the exit is written to the run page, which is mapped.
    long result = Sys.call(errnoSlot, posix_h.SYS_ioctl, fd.number(), kvm_h.KVM_RUN, 0, 0, 0, 0);
    if (result == -posix_h.EINTR || result == -posix_h.EAGAIN) {
      return false;
    }
    if (result < 0) {
      throw new SysException("KVM_RUN", "vCPU", (int) -result);
    }
    return true;
  }

  /**
   * Completes the instruction of the last port, MMIO or MSR exit without executing another one
   * (KVM_RUN with {@code immediate_exit}).
   *
   * @return true if the instruction came back with a new exit (string instructions)
   */
  public boolean completeInstruction() throws SysException {
    VcpuKick.IMMEDIATE_EXIT.setVolatile(run, kvm_run.immediate_exit$offset(), (byte) 1);
    try {
      return run();
    } finally {
      VcpuKick.IMMEDIATE_EXIT.setVolatile(run, kvm_run.immediate_exit$offset(), (byte) 0);
      if (kick.pending()) {
        VcpuKick.IMMEDIATE_EXIT.setVolatile(run, kvm_run.immediate_exit$offset(), (byte) 1);
      }
    }
  }

  /** How other threads bring this vCPU's thread out of KVM_RUN. */
  public VcpuKick kick() {
    return kick;
  }

  /**
   * Forgets kicks so far. The caller looks at what they may have been for after this, and before
   * the next {@link #run}: a kick that comes later ends that run at once.
   */
  public void clearKick() {
    kick.clear();
    VcpuKick.IMMEDIATE_EXIT.setVolatile(run, kvm_run.immediate_exit$offset(), (byte) 0);
  }

  /** Asks for a stop as soon as the guest can take an interrupt. */
  public void requestInterruptWindow(boolean wanted) {
    run.set(JAVA_BYTE, kvm_run.request_interrupt_window$offset(), (byte) (wanted ? 1 : 0));
  }

  /** What CR8 is at the next entry (api.rst, kvm_run.cr8). */
  void taskPriority(long cr8) {
    run.set(JAVA_LONG_UNALIGNED, kvm_run.cr8$offset(), cr8);
  }

  /** The guest could take an interrupt when the last exit happened: IF set, no shadow. */
  public boolean readyForInterrupt() {
    return run.get(JAVA_BYTE, kvm_run.ready_for_interrupt_injection$offset()) != 0
        && run.get(JAVA_BYTE, kvm_run.if_flag$offset()) != 0;
  }

  /** RFLAGS.IF when the last exit happened. */
  public boolean interruptsEnabled() {
    return run.get(JAVA_BYTE, kvm_run.if_flag$offset()) != 0;
  }

  /** The last exit's reason, KVM_EXIT_*. */
  public int exitReason() {
    return run.get(JAVA_INT_UNALIGNED, kvm_run.exit_reason$offset());
  }

  /** Port exits: OUT rather than IN. */
  public boolean ioIsOut() {
    return run.get(JAVA_BYTE, IO + kvm_run.io.direction$offset()) == kvm_h.KVM_EXIT_IO_OUT;
  }

  /** Port exits: 1, 2 or 4. */
  public int ioSizeBytes() {
    return run.get(JAVA_BYTE, IO + kvm_run.io.size$offset());
  }

  /** Port exits: the port. */
  public int ioPort() {
    return run.get(JAVA_SHORT_UNALIGNED, IO + kvm_run.io.port$offset()) & 0xffff;
  }

  /** Port exits: how many operands of {@link #ioSizeBytes} there are. */
  public int ioCount() {
    return run.get(JAVA_INT_UNALIGNED, IO + kvm_run.io.count$offset());
  }

  /** Port exits: operand {@code index}, zero-extended. */
  public int ioData(int index) {
    long at = ioDataOffset(index);
    return switch (ioSizeBytes()) {
      case 1 -> run.get(JAVA_BYTE, at) & 0xff;
      case 2 -> run.get(JAVA_SHORT_UNALIGNED, at) & 0xffff;
      default -> run.get(JAVA_INT_UNALIGNED, at);
    };
  }

  /** Port exits: sets operand {@code index} of an IN. */
  public void ioData(int index, int value) {
    long at = ioDataOffset(index);
    switch (ioSizeBytes()) {
      case 1 -> run.set(JAVA_BYTE, at, (byte) value);
      case 2 -> run.set(JAVA_SHORT_UNALIGNED, at, (short) value);
      default -> run.set(JAVA_INT_UNALIGNED, at, value);
    }
  }

  private long ioDataOffset(int index) {
    return run.get(JAVA_LONG_UNALIGNED, IO + kvm_run.io.data_offset$offset())
        + (long) index * ioSizeBytes();
  }

  /** MMIO exits: the guest-physical address. */
  public long mmioAddress() {
    return run.get(JAVA_LONG_UNALIGNED, MMIO + kvm_run.mmio.phys_addr$offset());
  }

  /** MMIO exits: 1 to 8. */
  public int mmioSizeBytes() {
    return run.get(JAVA_INT_UNALIGNED, MMIO + kvm_run.mmio.len$offset());
  }

  /** MMIO exits: a write rather than a read. */
  public boolean mmioIsWrite() {
    return run.get(JAVA_BYTE, MMIO + kvm_run.mmio.is_write$offset()) != 0;
  }

  /** MMIO exits: the value written, zero-extended from {@link #mmioSizeBytes}. */
  public long mmioData() {
    long data = run.get(JAVA_LONG_UNALIGNED, MMIO + kvm_run.mmio.data$offset());
    int bits = 8 * mmioSizeBytes();
    return bits >= Long.SIZE ? data : data & ((1L << bits) - 1);
  }

  /** MMIO exits: sets the value of a read. */
  public void mmioData(long value) {
    run.set(JAVA_LONG_UNALIGNED, MMIO + kvm_run.mmio.data$offset(), value);
  }

  /** MSR exits: which MSR. */
  public int msrIndex() {
    return run.get(JAVA_INT_UNALIGNED, MSR + kvm_run.msr.index$offset());
  }

  /** MSR exits: the value written. */
  public long msrData() {
    return run.get(JAVA_LONG_UNALIGNED, MSR + kvm_run.msr.data$offset());
  }

  /** MSR exits: sets the value of a read. */
  public void msrData(long value) {
    run.set(JAVA_LONG_UNALIGNED, MSR + kvm_run.msr.data$offset(), value);
  }

  /** MSR exits: true raises #GP in the guest. */
  public void msrError(boolean generalProtection) {
    run.set(JAVA_BYTE, MSR + kvm_run.msr.error$offset(), (byte) (generalProtection ? 1 : 0));
  }

  /** Internal errors: KVM_INTERNAL_ERROR_*. */
  public int internalSuberror() {
    return run.get(JAVA_INT_UNALIGNED, INTERNAL + kvm_run.internal.suberror$offset());
  }

  /** Internal errors: how many words {@link #internalData} has, 0..16. */
  public int internalDataCount() {
    int count = run.get(JAVA_INT_UNALIGNED, INTERNAL + kvm_run.internal.ndata$offset());
    return Math.clamp(count, 0, INTERNAL_DATA_WORDS);
  }

  /** Internal errors: word {@code index} of what KVM says about it. */
  public long internalData(int index) {
    Objects.checkIndex(index, INTERNAL_DATA_WORDS);
    return run.get(
        JAVA_LONG_UNALIGNED, INTERNAL + kvm_run.internal.data$offset() + (long) index * Long.BYTES);
  }

  /** Failed entries: the hardware's reason. */
  public long failEntryReason() {
    return run.get(JAVA_LONG_UNALIGNED, kvm_run.fail_entry$offset());
  }

  /** Queues an external interrupt (KVM_INTERRUPT); the guest takes it at the next entry. */
  public void interrupt(int vector) throws SysException {
    kvm_interrupt.irq(interrupt, vector);
    ioctl(kvm_h.KVM_INTERRUPT, interrupt, "KVM_INTERRUPT");
  }

  /** Switches single-stepping on or off, without breakpoints; cheap when nothing changes. */
  public void singleStep(boolean on) throws SysException {
    debug.set(on, false);
  }

  /** Single-step and hardware breakpoints (KVM_SET_GUEST_DEBUG). */
  public GuestDebug debug() {
    return debug;
  }

  /** The whole state of the vCPU as a value. */
  public VcpuStateAccess state() {
    return state;
  }

  /** Loads the general registers for {@link #reg}. */
  public void readRegs() throws SysException {
    ioctl(kvm_h.KVM_GET_REGS, regs, "KVM_GET_REGS");
  }

  /** Stores the general registers into the vCPU. */
  public void writeRegs() throws SysException {
    ioctl(kvm_h.KVM_SET_REGS, regs, "KVM_SET_REGS");
  }

  /** A general register as of the last {@link #readRegs}. */
  public long reg(Reg register) {
    return regs.get(JAVA_LONG_UNALIGNED, register.offset());
  }

  /** Changes a general register; takes effect with {@link #writeRegs}. */
  public void reg(Reg register, long value) {
    regs.set(JAVA_LONG_UNALIGNED, register.offset(), value);
  }

  /** Loads segment, control and table registers into {@link #sregs}. */
  public void readSregs() throws SysException {
    ioctl(kvm_h.KVM_GET_SREGS, sregs.block(), "KVM_GET_SREGS");
  }

  /** Stores {@link #sregs} into the vCPU. */
  public void writeSregs() throws SysException {
    ioctl(kvm_h.KVM_SET_SREGS, sregs.block(), "KVM_SET_SREGS");
  }

  /** The registers of {@link #readSregs}, to look at or change. */
  public SystemRegisters sregs() {
    return sregs;
  }

  /** Sets what CPUID shows; before the first {@link #run} only. */
  public void setCpuid(Cpuid table) throws SysException {
    try (Arena temporary = Arena.ofConfined()) {
      ioctl(kvm_h.KVM_SET_CPUID2, table.toNative(temporary), "KVM_SET_CPUID2");
    }
    state.cpuidSet(table);
  }

  /** Writes one MSR as the host, past the filter. */
  public void setMsr(int index, long value) throws SysException {
    if (!trySetMsr(index, value)) {
      throw new SysException("KVM_SET_MSRS", Msrs.name(index), posix_h.EINVAL);
    }
  }

  /**
   * Writes a guest's value to one MSR, past the filter.
   *
   * @return false where this KVM refuses the value, as a CPU does with #GP; nothing is changed then
   */
  public boolean trySetMsr(int index, long value) throws SysException {
    return Msrs.set(this, index, value);
  }

  /** Reads one MSR as the host, past the filter. */
  public long getMsr(int index) throws SysException {
    return Msrs.get(this, index)
        .orElseThrow(() -> new SysException("KVM_GET_MSRS", Msrs.name(index), posix_h.EINVAL));
  }

  /**
   * Injects an exception without an error code at the present instruction, as if the instruction
   * had raised it (KVM_SET_VCPU_EVENTS).
   */
  public void injectException(int vector) throws SysException {
    try (Arena temporary = Arena.ofConfined()) {
      MemorySegment events = kvm_vcpu_events.allocate(temporary);
      ioctl(kvm_h.KVM_GET_VCPU_EVENTS, events, "KVM_GET_VCPU_EVENTS");
      MemorySegment exception = kvm_vcpu_events.exception(events);
      kvm_vcpu_events.exception.injected(exception, (byte) 1);
      kvm_vcpu_events.exception.nr(exception, (byte) vector);
      kvm_vcpu_events.exception.has_error_code(exception, (byte) 0);
      ioctl(kvm_h.KVM_SET_VCPU_EVENTS, events, "KVM_SET_VCPU_EVENTS");
    }
  }

  /**
   * Ends an interrupt shadow (of STI or MOV SS) that KVM still holds although the instruction it
   * covers is done, so that an interrupt can be taken at this boundary.
   *
   * @return whether there was one
   */
  public boolean endInterruptShadow() throws SysException {
    readEvents();
    MemorySegment pending = kvm_vcpu_events.interrupt(events);
    if (kvm_vcpu_events.interrupt.shadow(pending) == 0) {
      return false;
    }
    kvm_vcpu_events.interrupt.shadow(pending, (byte) 0);
    kvm_vcpu_events.flags(events, kvm_vcpu_events.flags(events) | kvm_h.KVM_VCPUEVENT_VALID_SHADOW);
    ioctl(kvm_h.KVM_SET_VCPU_EVENTS, events, "KVM_SET_VCPU_EVENTS");
    return true;
  }

  /** Reads what is queued in the vCPU, for {@link #exceptionWaits} (KVM_GET_VCPU_EVENTS). */
  public void readEvents() throws SysException {
    ioctl(kvm_h.KVM_GET_VCPU_EVENTS, events, "KVM_GET_VCPU_EVENTS");
  }

  /**
   * Whether an exception is on its way into the guest, as of the last {@link #readEvents} or {@link
   * #endInterruptShadow}. The guest takes it before any interrupt.
   */
  public boolean exceptionWaits() {
    MemorySegment exception = kvm_vcpu_events.exception(events);
    return kvm_vcpu_events.exception.injected(exception) != 0
        || kvm_vcpu_events.exception.pending(exception) != 0;
  }

  /**
   * Translates a guest-virtual address through the vCPU's page tables (KVM_TRANSLATE).
   *
   * @return the guest-physical address, or -1 where nothing is mapped
   */
  public long translate(long virtualAddress) throws SysException {
    try (Arena temporary = Arena.ofConfined()) {
      MemorySegment translation = kvm_translation.allocate(temporary);
      kvm_translation.linear_address(translation, virtualAddress);
      ioctl(kvm_h.KVM_TRANSLATE, translation, "KVM_TRANSLATE");
      return kvm_translation.valid(translation) == 0
          ? -1
          : kvm_translation.physical_address(translation);
    }
  }

  /** The guest's TSC rate in kHz, or 0 where KVM does not know (KVM_GET_TSC_KHZ). */
  public int tscKhz() throws SysException {
    // Safe: no argument.
    return Math.max(0, ioctl(kvm_h.KVM_GET_TSC_KHZ, MemorySegment.NULL, "KVM_GET_TSC_KHZ"));
  }

  /** A state call with a struct whose size the request encodes. */
  int ioctl(long request, MemorySegment argument, String name) throws SysException {
    // Safe: the segment is at least as large as the struct that the request number names.
    long result =
        Sys.call(errnoSlot, posix_h.SYS_ioctl, fd.number(), request, argument.address(), 0, 0, 0);
    if (result < 0) {
      throw new SysException(name, fd.subject(), (int) -result);
    }
    return (int) result;
  }

  /**
   * Gives everything back. The thread that ran the vCPU must be out of {@link #run}; one that is
   * not makes this fail with IllegalStateException.
   */
  @Override
  public void close() {
    if (!closed) {
      kick.close();
      arena.close();
      fd.close();
      closed = true;
    }
  }
}
