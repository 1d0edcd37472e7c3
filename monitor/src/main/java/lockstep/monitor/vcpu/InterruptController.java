package lockstep.monitor.vcpu;

/** The CPU's view of the interrupt controller: the INTR pin and the acknowledge cycle. */
public interface InterruptController {
  /** The level of the INTR pin. */
  boolean interruptPending();

  /** Runs the INTA cycle and returns the vector, 0..255. */
  int acknowledge();
}
