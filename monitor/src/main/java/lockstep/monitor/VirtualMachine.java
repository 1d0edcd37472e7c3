package lockstep.monitor;

import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.Optional;
import lockstep.monitor.block.DiskRequest;
import lockstep.monitor.input.ConsoleLine;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.snapshot.Packing;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.vcpu.RunResult;
import lockstep.sys.SysException;

/**
 * A virtual machine as its roles need it: run, stop, copy, save. {@link Machine} is the one on KVM;
 * a simulation has another.
 */
public interface VirtualMachine extends AutoCloseable {
  /** See {@link Machine#run}. */
  RunResult run() throws SysException, InterruptedException;

  /** See {@link Machine#position}. */
  VcpuPosition position();

  /** See {@link Machine#console}. */
  ConsoleLine console();

  /**
   * What brings the thread that runs this machine out of the guest or out of HLT. Any thread may
   * call it; it never blocks.
   */
  Runnable kick(Thread vcpu);

  /** See {@link Machine#copy}. */
  MachineCopy copy(OutputStream out, Packing packing) throws SysException;

  /** See {@link Machine#save}. */
  Optional<RunResult> save(OutputStream out, SavedInputs inputs, Progress progress)
      throws IOException, SysException;

  /** See {@link Machine#diskRequestsInFlight}. */
  List<DiskRequest> diskRequestsInFlight();

  /** See {@link Machine#diskRequestsUnanswered}. */
  List<DiskRequest> diskRequestsUnanswered(List<ExternalInput> waiting);

  @Override
  void close();
}
