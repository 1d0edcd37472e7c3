package lockstep.replay.ft.vcpu;

/** Something to be done on the vCPU thread between two runs of the machine. */
@FunctionalInterface
public interface VcpuTask {
  void run() throws Exception;

  /** Takes tasks, from any thread, to be done soon; never, when the machine is over. */
  @FunctionalInterface
  interface Taker {
    void ask(VcpuTask task);
  }
}
