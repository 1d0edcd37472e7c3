package lockstep.monitor;

import lockstep.monitor.input.InputSource;
import lockstep.monitor.output.ConsoleSink;
import lockstep.monitor.output.OutputSink;

/** Devices of a machine without a disk, and so without a use for memory. */
final class TestMachine {
  private TestMachine() {}

  static Devices devices(MachineConfig config, InputSource inputs, ConsoleSink console) {
    return new Devices(config, inputs, OutputSink.console(console), new TestRam(0));
  }
}
