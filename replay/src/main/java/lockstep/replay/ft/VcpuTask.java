package lockstep.replay.ft;

/** Something to be done on the vCPU thread between two runs of the machine. */
@FunctionalInterface
interface VcpuTask {
  void run() throws Exception;

  /** Takes tasks, from any thread, to be done soon; never, when the machine is over. */
  @FunctionalInterface
  interface Taker {
    void ask(VcpuTask task);
  }
}
