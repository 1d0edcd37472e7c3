package lockstep.monitor;

import java.io.IOException;
import java.io.OutputStream;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.Kvm;
import lockstep.kvm.VcpuFd;
import lockstep.kvm.VcpuKick;
import lockstep.kvm.VmFd;
import lockstep.monitor.block.DiskRequest;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.bus.MmioBus;
import lockstep.monitor.bus.PortBus;
import lockstep.monitor.input.ConsoleLine;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.quirk.Quirks;
import lockstep.monitor.snapshot.Packing;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.snapshot.SnapshotException;
import lockstep.monitor.vcpu.MsrExits;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.SpecialPorts;
import lockstep.monitor.vcpu.VcpuHandle;
import lockstep.monitor.vcpu.VcpuLoop;
import lockstep.sys.SysException;

/**
 * A whole virtual machine: vCPU, RAM, buses and devices, put together from {@link MachineConfig}
 * and {@link MachineLayout}. Which InputSource and OutputSink are plugged in decides its role.
 *
 * <p>Built by any thread; from {@link #run} on everything belongs to the thread that called it.
 */
public final class Machine implements VirtualMachine {
  private final GuestMemory memory;
  private final VmFd vm;
  private final VcpuFd vcpu;
  private final Devices devices;
  private final StagedPages staged;
  private final VcpuLoop loop;
  private final Quirks quirks;
  private final DirtyPages dirtyPages;
  private final PortBus ports = new PortBus();
  private final MmioBus mmio = new MmioBus();
  private final MsrExits msrs;
  private MachineOrigin origin;

  /**
   * Builds a machine; it is before its first instruction, with empty RAM.
   *
   * @param origin what to build; another host's must have no {@link MachineOrigin#complaint} here
   * @param inputs the one way in
   * @param outputs the one way out; completions of disk requests come back through {@code inputs}
   * @throws SysException when the host refuses a resource
   */
  public static Machine create(
      Kvm kvm, MachineOrigin origin, InputSource inputs, OutputSink outputs) throws SysException {
    MachineConfig config = origin.config();
    GuestMemory memory = GuestMemory.allocate(config.memoryBytes(), MachineLayout.LOW_RAM_LIMIT);
    DeviceRam ram = new DeviceRam(memory);
    Devices devices = new Devices(config, inputs, outputs, ram);
    try {
      VmFd vm = kvm.createVm();
      try {
        vm.reserveVmxPages();
        vm.setMemory(memory, false);
        vm.filterMsrs(MsrExits.passedThrough(origin.quirks()));
        VcpuFd vcpu = vm.createVcpu();
        try {
          vcpu.setCpuid(origin.cpuid());
          return new Machine(memory, vm, vcpu, origin, inputs, devices, ram);
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
      MachineOrigin origin,
      InputSource inputs,
      Devices devices,
      DeviceRam ram) {
    this.memory = memory;
    this.vm = vm;
    this.vcpu = vcpu;
    this.origin = origin;
    this.quirks = new Quirks(origin.quirks(), ram);
    this.dirtyPages = new DirtyPages(vm, memory, ram);
    this.staged = new StagedPages(memory);
    this.devices = devices;
    devices.onEnd(this::end);
    devices.attachTo(ports, mmio);
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
                new SpecialPorts(inputs, new CpuidAnswers(origin.cpuid())),
                msrs,
                quirks,
                stopped ->
                    new MachineAccess(stopped, vm, vcpu, memory, dirtyPages, devices, staged)));
  }

  private void end(RunResult how) {
    loop.end(how);
  }

  /** Puts a kernel into RAM and the vCPU at its entry. Before {@link #run} only. */
  public void boot(BootImage image) throws SysException {
    image.writeTo(new BootRam(memory));
    origin = origin.withHostClock(image.rewrites().leftOver().isPresent());
    EntryState.apply(image.entry().registers(), vcpu);
    if (image.kind().isLinux()) {
      devices.consoleNeedsListener();
    }
  }

  /**
   * How its console stands, for {@link lockstep.monitor.input.InputQueue#consoleTo}. Any thread.
   */
  @Override
  public ConsoleLine console() {
    return devices;
  }

  /** How other threads bring the vCPU thread out of the guest. */
  public VcpuKick kick() {
    return vcpu.kick();
  }

  @Override
  public Runnable kick(Thread thread) {
    return new VcpuHandle(vcpu.kick(), thread)::kick;
  }

  /**
   * Runs the guest on the calling thread until it ends itself or the InputSource ends it.
   *
   * @throws SysException when a KVM call fails in a way no guest can cause
   * @throws InterruptedException when the calling thread is told to end
   */
  @Override
  public RunResult run() throws SysException, InterruptedException {
    vcpu.kick().bindToThisThread();
    return loop.run();
  }

  /** What it was built from; of its kernel only after {@link #boot} or {@link #restore}. */
  public MachineOrigin origin() {
    return origin;
  }

  /**
   * Writes the whole machine, which goes on unchanged. On the thread that ran it, between two runs.
   * A pending instruction is completed first, and that can be the guest's end.
   *
   * @param inputs what the InputSource adds
   * @return how the guest ended itself, and then nothing was written; empty for a written snapshot
   * @throws IOException when {@code out} fails
   */
  @Override
  public Optional<RunResult> save(OutputStream out, SavedInputs inputs, Progress progress)
      throws IOException, SysException {
    Optional<RunResult> ended = loop.settle();
    if (ended.isEmpty()) {
      SavedMachine.write(state(inputs), memory, out, progress);
    }
    return ended;
  }

  private MachineState state(SavedInputs inputs) throws SysException {
    return new MachineState(origin, vcpu.state().capture(), devices.save(), loop.save(), inputs);
  }

  /**
   * Begins to copy the machine, most of it while it runs. On the thread that runs it, between two
   * runs; close it there too, before the machine.
   *
   * @param out gets the same bytes as from {@link #save}, in another order
   * @param packing which memory is compressed
   */
  @Override
  public StateCopy copy(OutputStream out, Packing packing) throws SysException {
    StateCopy.Source source =
        new StateCopy.Source(memory, dirtyPages.ask(), origin, loop::settle, this::state);
    return new StateCopy(source, out, packing);
  }

  /**
   * Takes the memory that comes before a saved machine's state, if any does; before {@link
   * #restore}. Afterwards {@link SavedMachine#state} is there.
   *
   * @throws SnapshotException when the bytes are damaged; the machine is of no use then
   */
  public void receive(SavedMachine saved, Progress progress) throws IOException, SnapshotException {
    memory.expectContent();
    saved.readRounds(memory, progress);
  }

  /**
   * Becomes the saved machine, whose memory is read now; instead of {@link #boot}, before {@link
   * #run} only. Devices arm their timers again. {@link MachineState#inputs} is the caller's matter:
   * the InputSource must show a clock that is not earlier, and hand out the pending inputs.
   *
   * @throws SnapshotException when the bytes are damaged or this machine cannot have saved them; it
   *     is of no use then
   * @throws SysException when KVM refuses the vCPU's state
   */
  public void restore(SavedMachine saved, Progress progress)
      throws IOException, SnapshotException, SysException {
    MachineState state = saved.state();
    if (!state.origin().equals(origin.withHostClock(state.origin().hostClock()))) {
      throw new SnapshotException("comes from a machine with another configuration");
    }
    origin = state.origin();
    saved.readMemory(memory, progress);
    try {
      devices.restore(state.devices());
    } catch (IllegalArgumentException e) {
      throw new SnapshotException("has an impossible device state: " + e.getMessage(), e);
    }
    vcpu.state().restore(state.cpu());
    loop.restore(state.loop());
  }

  /** The machine between two runs, as an InputSource sees it at a stop. vCPU thread only. */
  @Override
  public VcpuPosition position() {
    return loop;
  }

  private void apply(ExternalInput input) {
    switch (input) {
      case ExternalInput.TimerExpiry expiry -> devices.timerExpired(expiry);
      case ExternalInput.ConsoleBytes console -> devices.consoleInput(console.content());
      case ExternalInput.DiskCompletion completion -> devices.diskCompleted(completion);
      case ExternalInput.HostDecision decision -> {
        switch (decision.decision()) {
          case STOP -> loop.end(new RunResult.Stopped());
          case RESET -> loop.end(new RunResult.Reset());
        }
      }
    }
  }

  /**
   * Disk requests that were handed out and have not completed, oldest first. Whoever goes on with a
   * restored machine hands them to the medium again, unless a pending input completes them.
   */
  @Override
  public List<DiskRequest> diskRequestsInFlight() {
    return devices.diskRequestsInFlight();
  }

  /** The same but for those that one of these inputs, which still wait, answers. */
  @Override
  public List<DiskRequest> diskRequestsUnanswered(List<ExternalInput> waiting) {
    Set<Answer> answered = new HashSet<>();
    for (ExternalInput input : waiting) {
      if (input instanceof ExternalInput.DiskCompletion completion) {
        answered.add(new Answer(completion.disk(), completion.id()));
      }
    }
    return diskRequestsInFlight().stream()
        .filter(asked -> !answered.contains(new Answer(asked.disk(), asked.request().id())))
        .toList();
  }

  private record Answer(int disk, long id) {}

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
    staged.close();
    memory.close();
  }
}
