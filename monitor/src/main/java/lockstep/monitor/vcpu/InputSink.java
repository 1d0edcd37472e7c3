package lockstep.monitor.vcpu;

import lockstep.monitor.input.ExternalInput;

/** Where the loop takes a placed input: the machine, which knows the devices. */
public interface InputSink {
  /** Applies one input to its device, on the vCPU thread, between two guest instructions. */
  void apply(ExternalInput input);
}
