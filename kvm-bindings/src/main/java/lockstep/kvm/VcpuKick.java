package lockstep.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import lockstep.sys.Posix;
import lockstep.sys.Signals;
import lockstep.uapi.kvm_run;

/**
 * Brings a vCPU's thread out of KVM_RUN from any other thread: {@code immediate_exit} ends an entry
 * that has not begun, the signal one that has. {@code immediate_exit} alone never stops a guest
 * that makes no exits; the signal alone is lost when it comes between two entries.
 */
public final class VcpuKick {
  static final VarHandle IMMEDIATE_EXIT = JAVA_BYTE.varHandle();

  private final MemorySegment run;
  private final int processId = (int) ProcessHandle.current().pid();
  private boolean closed;
  private int threadId;
  private volatile boolean pending;

  VcpuKick(MemorySegment run) {
    this.run = run;
  }

  /** The calling thread is the one that runs the vCPU from now on. */
  public synchronized void bindToThisThread() {
    threadId = Posix.gettid();
  }

  /** Kicks. Never blocks; does nothing once the vCPU is closed. Any thread. */
  public synchronized void kick() {
    if (closed) {
      return;
    }
    pending = true;
    // Safe: run stays mapped until close(), which takes the same lock.
    IMMEDIATE_EXIT.setVolatile(run, kvm_run.immediate_exit$offset(), (byte) 1);
    if (threadId != 0) {
      Posix.tgkill(processId, threadId, Signals.KICK);
    }
  }

  boolean pending() {
    return pending;
  }

  void clear() {
    pending = false;
  }

  synchronized void close() {
    closed = true;
  }
}
