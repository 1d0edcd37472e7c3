package lockstep.monitor.vcpu;

import java.util.concurrent.locks.LockSupport;
import lockstep.kvm.VcpuKick;

/** The only way in to the vCPU thread from others: wake it, so that it looks at its queue. */
public final class VcpuHandle {
  private final VcpuKick kick;
  private final Thread thread;

  /** For the vCPU thread {@code thread}, which {@code kick} reaches while it is in KVM_RUN. */
  public VcpuHandle(VcpuKick kick, Thread thread) {
    this.kick = kick;
    this.thread = thread;
  }

  /** Brings the vCPU thread out of the guest or out of HLT. Any thread; never blocks. */
  public void kick() {
    kick.kick();
    LockSupport.unpark(thread);
  }
}
