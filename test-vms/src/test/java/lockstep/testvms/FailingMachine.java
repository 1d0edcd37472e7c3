package lockstep.testvms;

import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import lockstep.monitor.MachineCopy;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.block.DiskRequest;
import lockstep.monitor.input.ConsoleLine;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.snapshot.Packing;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.vcpu.RunResult;
import lockstep.sys.SysException;

/** A machine on this host's KVM that ends as a test wants it to. */
final class FailingMachine implements VirtualMachine {
  /** How the machine's next run ends. */
  @FunctionalInterface
  interface Failure {
    RunResult end() throws SysException;
  }

  private final VirtualMachine machine;
  private final AtomicReference<Optional<Failure>> failure =
      new AtomicReference<>(Optional.empty());

  FailingMachine(VirtualMachine machine) {
    this.machine = machine;
  }

  /** From its next run on the machine ends so. */
  void fail(Failure how) {
    failure.set(Optional.of(how));
  }

  @Override
  public RunResult run() throws SysException, InterruptedException {
    Optional<Failure> how = Objects.requireNonNull(failure.get());
    return how.isPresent() ? how.get().end() : machine.run();
  }

  @Override
  public VcpuPosition position() {
    return machine.position();
  }

  @Override
  public ConsoleLine console() {
    return machine.console();
  }

  @Override
  public Runnable kick(Thread vcpu) {
    return machine.kick(vcpu);
  }

  @Override
  public MachineCopy copy(OutputStream out, Packing packing) throws SysException {
    return machine.copy(out, packing);
  }

  @Override
  public Optional<RunResult> save(OutputStream out, SavedInputs inputs, Progress progress)
      throws IOException, SysException {
    return machine.save(out, inputs, progress);
  }

  @Override
  public List<DiskRequest> diskRequestsInFlight() {
    return machine.diskRequestsInFlight();
  }

  @Override
  public List<DiskRequest> diskRequestsUnanswered(List<ExternalInput> waiting) {
    return machine.diskRequestsUnanswered(waiting);
  }

  @Override
  public void close() {
    machine.close();
  }
}
