package lockstep.monitor.vcpu;

import static lockstep.uapi.kvm_h.KVM_EXIT_DEBUG;
import static lockstep.uapi.kvm_h.KVM_EXIT_FAIL_ENTRY;
import static lockstep.uapi.kvm_h.KVM_EXIT_HLT;
import static lockstep.uapi.kvm_h.KVM_EXIT_INTERNAL_ERROR;
import static lockstep.uapi.kvm_h.KVM_EXIT_INTR;
import static lockstep.uapi.kvm_h.KVM_EXIT_IO;
import static lockstep.uapi.kvm_h.KVM_EXIT_IRQ_WINDOW_OPEN;
import static lockstep.uapi.kvm_h.KVM_EXIT_MMIO;
import static lockstep.uapi.kvm_h.KVM_EXIT_SET_TPR;
import static lockstep.uapi.kvm_h.KVM_EXIT_SHUTDOWN;
import static lockstep.uapi.kvm_h.KVM_EXIT_X86_RDMSR;
import static lockstep.uapi.kvm_h.KVM_EXIT_X86_WRMSR;

import java.util.Optional;
import java.util.function.Function;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.Reg;
import lockstep.kvm.VcpuFd;
import lockstep.monitor.bus.MmioBus;
import lockstep.monitor.bus.PortBus;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.InputSource.GuestExit;
import lockstep.monitor.input.StoppedMachine;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.quirk.Quirks;
import lockstep.sys.SysException;
import org.jspecify.annotations.Nullable;

/**
 * The vCPU loop (docs/architecture.md, "The path of one exit"). Asks the InputSource at every stop,
 * enters the guest, handles the exit, and starts again until something ends the run.
 *
 * <p>Runs on the vCPU thread only. Handling an exit allocates nothing once warm.
 */
public final class VcpuLoop implements VcpuPosition {
  /**
   * Exits within one string instruction before it is given up: more than a 16-bit count can ask
   * for, and half a second. A count of 64 bits would keep the thread here for ever, and no kick or
   * stop could end that, because in the middle of an instruction nothing can be saved.
   */
  private static final int MAX_ITERATIONS = 1 << 16;

  private static final Reg[] REGISTER_ORDER = Reg.values();

  private final VcpuFd vcpu;
  private final GuestMemory memory;
  private final PortBus ports;
  private final MmioBus mmio;
  private final InterruptController interrupts;
  private final InputSource inputs;
  private final InputSink sink;
  private final SpecialPorts specialPorts;
  private final MsrExits msrs;
  private final Quirks quirks;
  private final StoppedMachine machine;
  private final StepEngine steps;

  private Stop stop = Stop.START;
  private boolean halted;
  private boolean completionPending;

  /** Completing the last exit's instruction has brought another exit. */
  private boolean exitAgain;

  private boolean injected;
  private boolean shadowEnded;

  /** Whether the last exit's instruction ended in an exception that the guest has yet to take. */
  private boolean exceptionWaits;

  private boolean shadowed;

  /** Whether the guest was stopped from outside before an HLT, see {@link #enter}. */
  private boolean beforeHalt;

  private long guestExits;
  private @Nullable RunResult result;

  /**
   * Wires a loop; nothing runs yet.
   *
   * @param parts what the loop drives and asks
   */
  public VcpuLoop(Parts parts) {
    this.vcpu = parts.vcpu();
    this.memory = parts.memory();
    this.ports = parts.ports();
    this.mmio = parts.mmio();
    this.interrupts = parts.interrupts();
    this.inputs = parts.inputs();
    this.sink = parts.sink();
    this.specialPorts = parts.specialPorts();
    this.msrs = parts.msrs();
    this.quirks = parts.quirks();
    this.steps = new StepEngine(vcpu, memory);
    this.machine = parts.machine().apply(this);
  }

  /** What a loop is made of. */
  public record Parts(
      VcpuFd vcpu,
      GuestMemory memory,
      PortBus ports,
      MmioBus mmio,
      InterruptController interrupts,
      InputSource inputs,
      InputSink sink,
      SpecialPorts specialPorts,
      MsrExits msrs,
      Quirks quirks,
      Function<VcpuLoop, StoppedMachine> machine) {}

  /**
   * Runs until the guest or the InputSource ends it.
   *
   * @throws SysException when a KVM call fails in a way no guest can cause
   * @throws InterruptedException when the thread is told to end
   */
  public RunResult run() throws SysException, InterruptedException {
    result = null;
    while (true) {
      RunResult ended = result;
      if (ended != null) {
        return ended;
      }
      // Cleared before the source looks at its queue: a kick that comes later ends the next entry.
      vcpu.clearKick();
      InputSource.Action action = inputs.next(this);
      if (ended()) {
        continue;
      }
      switch (action) {
        case APPLY -> sink.apply(inputs.input());
        case DELIVER -> deliver();
        case RUN -> enter(false);
        case RUN_TO_WINDOW -> enter(true);
        case STEP -> step();
        case WAIT -> {
          // The source has waited.
        }
        case STOP -> end(new RunResult.Stopped());
      }
    }
  }

  /** Ends the run after the present exit or input; called by devices on the vCPU thread. */
  public void end(RunResult how) {
    if (result == null) {
      result = how;
    }
  }

  /**
   * Finishes a port, MMIO or MSR instruction whose exit was handled, so that registers and memory
   * are those of an instruction boundary. Required before anyone reads or saves vCPU state. A
   * string instruction comes back with its next iteration's exit, which is handled here too.
   */
  @Override
  public void completeInstruction() throws SysException {
    int iterations = 0;
    while (completionPending) {
      completionPending = false;
      if (iterations++ == MAX_ITERATIONS) {
        end(CrashReport.endlessInstruction(vcpu, memory));
        return;
      }
      if (vcpu.completeInstruction()) {
        handleExit();
      }
    }
    if (stop == Stop.GUEST_EXIT && !shadowEnded) {
      shadowEnded = true;
      // An instruction that exits ends the shadow of the STI before it. Not every KVM drops it then
      // (seen: it stays to the end of an emulation batch, which depends on host interrupts).
      if (vcpu.endInterruptShadow()) {
        vcpu.completeInstruction();
      }
      // KVM before 5.14 says that it is ready for an interrupt all the same, and drops either one.
      exceptionWaits = vcpu.exceptionWaits();
    }
  }

  @Override
  public boolean ended() {
    return result != null;
  }

  /**
   * Brings a machine that was stopped to an instruction boundary. Between two runs only.
   *
   * @return how the guest ended itself in completing its instruction, empty if it can go on
   */
  public Optional<RunResult> settle() throws SysException {
    result = null;
    completeInstruction();
    return Optional.ofNullable(result);
  }

  /** What the loop remembers; at an instruction boundary only. */
  public LoopState save() {
    if (completionPending) {
      throw new IllegalStateException("the last exit's instruction is not complete");
    }
    return new LoopState(guestExits, halted, injected, beforeHalt);
  }

  /** Takes over what another loop remembered; the vCPU's state must have been restored before. */
  public void restore(LoopState state) throws SysException {
    guestExits = state.guestExits();
    halted = state.halted();
    injected = state.interruptQueued();
    beforeHalt = state.beforeHalt();
    completionPending = false;
    stop = Stop.START;
    lookAtState();
  }

  /** An entry that executes nothing: KVM shows whether this state can take an interrupt. */
  private void lookAtState() throws SysException {
    vcpu.completeInstruction();
    vcpu.readEvents();
    exceptionWaits = vcpu.exceptionWaits();
  }

  /**
   * Enters the guest. Where it is stopped between an STI and its HLT, not every KVM knows of the
   * shadow (seen: QEMU's emulation of SVM drops it at each entry), and a guest that takes its
   * interrupt there sleeps for ever. So none is delivered before an HLT at such a stop: the HLT
   * comes first, and exits.
   */
  private void enter(boolean toWindow) throws SysException {
    vcpu.requestInterruptWindow(toWindow && !beforeHalt);
    injected = false;
    shadowed = false;
    beforeHalt = false;
    completionPending = false;
    boolean exceptionWaited = exceptionWaits;
    exceptionWaits = false;
    if (vcpu.run()) {
      handleExit();
    } else {
      stop = Stop.HOST;
    }
    if (exceptionWaited && stop == Stop.HOST) {
      // The kick may have come before the guest took it.
      vcpu.readEvents();
      exceptionWaits = vcpu.exceptionWaits();
    }
    if (stop == Stop.HOST && result == null && vcpu.readyForInterrupt()) {
      steps.begin();
      beforeHalt = steps.atKernelHalt();
    }
  }

  private void step() throws SysException {
    vcpu.requestInterruptWindow(false);
    injected = false;
    shadowed = false;
    completeInstruction();
    exceptionWaits = false;
    steps.begin();
    if (steps.atHalt()) {
      // Under a step some KVMs report the step first and the HLT one entry later, when the guest is
      // already elsewhere. HLT exits by itself.
      enter(false);
      return;
    }
    vcpu.singleStep(true);
    try {
      if (vcpu.run()) {
        handleExit();
      } else {
        stop = Stop.HOST;
      }
    } finally {
      vcpu.singleStep(false);
    }
    // Not every KVM keeps the shadow of an STI that was stepped over (VMX drops it).
    shadowed = steps.finish(stop == Stop.STEPPED);
  }

  private void deliver() throws SysException {
    if (completionPending) {
      throw new IllegalStateException(
          "an interrupt for a guest whose instruction is not complete after exit " + guestExits);
    }
    int vector = interrupts.acknowledge();
    vcpu.interrupt(vector);
    injected = true;
    halted = false;
    inputs.delivered(vector);
  }

  private void handleExit() throws SysException {
    int iterations = 0;
    do {
      exitAgain = false;
      handleOneExit();
      if (iterations++ == MAX_ITERATIONS) {
        end(CrashReport.endlessInstruction(vcpu, memory));
        return;
      }
    } while (exitAgain);
  }

  private void handleOneExit() throws SysException {
    switch (vcpu.exitReason()) {
      case KVM_EXIT_IO -> portExit();
      case KVM_EXIT_MMIO -> mmioExit();
      case KVM_EXIT_HLT -> {
        guestExit(GuestExit.HALT, 0, 0, 0);
        halted = true;
        if (!vcpu.interruptsEnabled()) {
          // No NMI, SMI or INIT exists on this machine.
          end(new RunResult.HaltedForGood());
        }
      }
      case KVM_EXIT_X86_RDMSR -> {
        guestExit(GuestExit.MSR_READ, vcpu.msrIndex(), 8, 0);
        msrs.read(vcpu);
        completionPending = true;
      }
      case KVM_EXIT_X86_WRMSR -> {
        guestExit(GuestExit.MSR_WRITE, vcpu.msrIndex(), 8, vcpu.msrData());
        msrs.write(vcpu);
        completionPending = true;
      }
      // A lower CR8 leaves some KVMs and others not: nothing on this machine hangs on it.
      case KVM_EXIT_IRQ_WINDOW_OPEN, KVM_EXIT_INTR, KVM_EXIT_SET_TPR -> stop = Stop.HOST;
      case KVM_EXIT_DEBUG -> stop = Stop.STEPPED;
      case KVM_EXIT_SHUTDOWN -> {
        guestExit(GuestExit.SHUTDOWN, 0, 0, 0);
        end(CrashReport.tripleFault(vcpu, memory));
      }
      case KVM_EXIT_INTERNAL_ERROR -> {
        if (quirks.recover(vcpu)) {
          stop = Stop.HOST;
          // What KVM said of interrupts was about the instruction before.
          lookAtState();
        } else {
          guestExit(GuestExit.INTERNAL_ERROR, 0, 0, 0);
          end(CrashReport.internalError(vcpu, memory));
        }
      }
      case KVM_EXIT_FAIL_ENTRY -> {
        guestExit(GuestExit.FAIL_ENTRY, 0, 0, 0);
        end(CrashReport.failEntry(vcpu, memory));
      }
      default -> end(CrashReport.unknownExit(vcpu, memory));
    }
  }

  private void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
    guestExits++;
    stop = Stop.GUEST_EXIT;
    shadowEnded = false;
    inputs.guestExit(exit, address, sizeBytes, data);
  }

  private void portExit() throws SysException {
    int port = vcpu.ioPort();
    int size = vcpu.ioSizeBytes();
    int count = vcpu.ioCount();
    completionPending = true;
    if (vcpu.ioIsOut()) {
      for (int i = 0; i < count; i++) {
        int value = vcpu.ioData(i);
        guestExit(GuestExit.PORT_OUT, port, size, Integer.toUnsignedLong(value));
        ports.write(port, size, value);
      }
    } else if (specialPorts.claims(port, size)) {
      guestExit(GuestExit.PORT_IN, port, size, 0);
      // A step ends at this exit, as after any other.
      exitAgain = specialPorts.read(port, vcpu);
      completionPending = false;
    } else {
      for (int i = 0; i < count; i++) {
        guestExit(GuestExit.PORT_IN, port, size, 0);
        vcpu.ioData(i, ports.read(port, size));
      }
    }
  }

  private void mmioExit() {
    long address = vcpu.mmioAddress();
    int size = vcpu.mmioSizeBytes();
    completionPending = true;
    if (vcpu.mmioIsWrite()) {
      long value = vcpu.mmioData();
      guestExit(GuestExit.MMIO_WRITE, address, size, value);
      mmio.write(address, size, value);
    } else {
      guestExit(GuestExit.MMIO_READ, address, size, 0);
      vcpu.mmioData(mmio.read(address, size));
    }
  }

  @Override
  public long guestExits() {
    return guestExits;
  }

  @Override
  public Stop stop() {
    return stop;
  }

  @Override
  public boolean halted() {
    return halted;
  }

  @Override
  public boolean interruptPending() {
    return interrupts.interruptPending();
  }

  @Override
  public boolean canTakeInterrupt() {
    return !injected && !shadowed && !beforeHalt && !exceptionWaits && vcpu.readyForInterrupt();
  }

  @Override
  public boolean interruptsEnabled() {
    return vcpu.interruptsEnabled();
  }

  @Override
  public void readRegisters(long[] values) throws SysException {
    completeInstruction();
    vcpu.readRegs();
    for (int i = 0; i < values.length; i++) {
      values[i] = vcpu.reg(REGISTER_ORDER[i]);
    }
  }

  @Override
  public boolean inKernelMode() throws SysException {
    completeInstruction();
    vcpu.readSregs();
    return vcpu.sregs().privilegeLevel() == 0;
  }

  @Override
  public boolean canStep() throws SysException {
    if (injected || halted) {
      // The frame of an interrupt that is delivered in a step would have TF set.
      return false;
    }
    completeInstruction();
    // The frame of an exception that waits would have it set, too.
    return !exceptionWaits && steps.canStep();
  }

  @Override
  public StoppedMachine machine() {
    return machine;
  }

  /** The vCPU's state was replaced from outside: nothing that the loop remembers of it holds. */
  public void cpuStateReplaced() throws SysException {
    completionPending = false;
    injected = false;
    shadowed = false;
    beforeHalt = false;
    halted = false;
    stop = Stop.START;
    lookAtState();
  }
}
