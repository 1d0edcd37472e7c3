package lockstep.monitor;

import lockstep.kvm.CpuModel;
import lockstep.kvm.Cpuid;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.Kvm;
import lockstep.kvm.VcpuFd;
import lockstep.kvm.VcpuKick;
import lockstep.kvm.VmFd;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.bus.MmioBus;
import lockstep.monitor.bus.PortBus;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.quirk.Quirks;
import lockstep.monitor.vcpu.MsrExits;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.SpecialPorts;
import lockstep.monitor.vcpu.VcpuLoop;
import lockstep.sys.SysException;

/**
 * A whole virtual machine: vCPU, RAM, buses and devices, put together from {@link MachineConfig}
 * and {@link MachineLayout}. Which InputSource and OutputSink are plugged in decides its role.
 *
 * <p>Built by any thread; from {@link #run} on everything belongs to the thread that called it.
 */
public final class Machine implements AutoCloseable {
  private final GuestMemory memory;
  private final VmFd vm;
  private final VcpuFd vcpu;
  private final Devices devices;
  private final VcpuLoop loop;
  private final Quirks quirks;
  private final PortBus ports = new PortBus();
  private final MmioBus mmio = new MmioBus();
  private final MsrExits msrs;

  /**
   * Builds a machine; it stands before its first instruction, with empty RAM.
   *
   * @param quirks what this host's KVM needs
   * @param inputs the one door in
   * @param outputs the one way out
   * @throws SysException when the host refuses a resource
   */
  public static Machine create(
      Kvm kvm, MachineConfig config, QuirkSet quirks, InputSource inputs, OutputSink outputs)
      throws SysException {
    Devices devices = new Devices(config, inputs, outputs);
    GuestMemory memory = GuestMemory.allocate(config.memoryBytes(), MachineLayout.LOW_RAM_LIMIT);
    try {
      VmFd vm = kvm.createVm();
      try {
        vm.reserveVmxPages();
        vm.setMemory(memory, false);
        vm.filterMsrs(MsrExits.passedThrough(quirks));
        VcpuFd vcpu = vm.createVcpu();
        Cpuid cpuid = CpuModel.table(config.cpu(), kvm.supportedCpuid());
        try {
          vcpu.setCpuid(cpuid);
          return new Machine(memory, vm, vcpu, cpuid, quirks, inputs, devices);
        } catch (SysException e) {
          vcpu.close();
          throw e;
        }
      } catch (SysException e) {
        vm.close();
        throw e;
      }
    } catch (SysException e) {
      memory.close();
      throw e;
    }
  }

  private Machine(
      GuestMemory memory,
      VmFd vm,
      VcpuFd vcpu,
      Cpuid cpuid,
      QuirkSet quirkSet,
      InputSource inputs,
      Devices devices) {
    this.memory = memory;
    this.vm = vm;
    this.vcpu = vcpu;
    this.quirks = new Quirks(quirkSet, memory);
    this.devices = devices;
    devices.onEnd(this::end);
    devices.attachTo(ports);
    this.msrs = new MsrExits(quirks);
    this.loop =
        new VcpuLoop(
            new VcpuLoop.Parts(
                vcpu,
                memory,
                ports,
                mmio,
                devices.interruptController(),
                inputs,
                this::apply,
                new SpecialPorts(inputs, new CpuidAnswers(cpuid)),
                msrs,
                quirks));
  }

  private void end(RunResult how) {
    loop.end(how);
  }

  /** Puts a kernel into RAM and the vCPU at its entry. Before {@link #run} only. */
  public void boot(BootImage image) throws SysException {
    image.writeTo(new BootRam(memory));
    EntryState.apply(image.entry().registers(), vcpu);
  }

  /** How other threads bring the vCPU thread out of the guest. */
  public VcpuKick kick() {
    return vcpu.kick();
  }

  /**
   * Runs the guest on the calling thread until it ends itself or the InputSource ends it.
   *
   * @throws SysException when a KVM call fails in a way no guest can cause
   * @throws InterruptedException when the calling thread is told to end
   */
  public RunResult run() throws SysException, InterruptedException {
    vcpu.kick().bindToThisThread();
    return loop.run();
  }

  private void apply(ExternalInput input) {
    switch (input) {
      case ExternalInput.TimerExpiry expiry -> devices.timerExpired(expiry);
      case ExternalInput.ConsoleBytes console -> devices.consoleInput(console.content());
      case ExternalInput.HostDecision decision -> {
        switch (decision.decision()) {
          case STOP -> loop.end(new RunResult.Stopped());
          case RESET -> loop.end(new RunResult.Reset());
        }
      }
    }
  }

  /** Numbers a user may ask for after a run. */
  public MachineCounters counters() {
    return new MachineCounters(
        loop.guestExits(),
        ports.unclaimedReads() + ports.unclaimedWrites(),
        mmio.unclaimedReads() + mmio.unclaimedWrites(),
        msrs.refused(),
        devices.refusedConsoleBytes());
  }

  @Override
  public void close() {
    vcpu.close();
    vm.close();
    memory.close();
  }
}
