package lockstep.monitor;

import java.util.function.Consumer;
import lockstep.monitor.MachineLayout.Slot;
import lockstep.monitor.bus.PortBus;
import lockstep.monitor.device.DebugExit;
import lockstep.monitor.device.I8042;
import lockstep.monitor.device.Pic;
import lockstep.monitor.device.Pit;
import lockstep.monitor.device.ResetControl;
import lockstep.monitor.device.SystemControlPort;
import lockstep.monitor.device.Uart16550;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.InterruptController;
import lockstep.monitor.vcpu.RunResult;

/** The machine's devices, wired as {@link MachineLayout} says. Owned by the vCPU thread. */
final class Devices {
  private final Pic pic = new Pic();
  private final Pit pit;
  private final SystemControlPort systemControl;
  private final Uart16550 serial;
  private final I8042 keyboardController;
  private final ResetControl resetControl;
  private final DebugExit debugExit;

  /**
   * @param inputs clock and timers
   * @param outputs the console
   * @param end called when the guest ends its run
   */
  Devices(InputSource inputs, OutputSink outputs, Consumer<RunResult> end) {
    this.pit =
        new Pit(
            inputs,
            deadline -> inputs.armTimer(MachineLayout.TIMER_PIT, deadline),
            pic.line(Slot.PIT.irq()));
    pic.onAcknowledge(Slot.PIT.irq(), pit::acknowledged);
    this.systemControl = new SystemControlPort(pit);
    this.serial = new Uart16550(pic.line(Slot.SERIAL.irq()), outputs);
    Runnable reset = () -> end.accept(new RunResult.Reset());
    this.keyboardController = new I8042(pic.line(Slot.I8042_DATA.irq()), reset);
    this.resetControl = new ResetControl(reset);
    this.debugExit = new DebugExit(code -> end.accept(new RunResult.ExitPort(code)));
  }

  void attachTo(PortBus ports) {
    ports.attach(Slot.PIC_MASTER.base(), Slot.PIC_MASTER.count(), pic.masterPorts());
    ports.attach(Slot.PIC_SLAVE.base(), Slot.PIC_SLAVE.count(), pic.slavePorts());
    ports.attach(Slot.PIC_ELCR.base(), Slot.PIC_ELCR.count(), pic.elcrPorts());
    ports.attach(Slot.PIT.base(), Slot.PIT.count(), pit);
    ports.attach(Slot.SYSTEM_CONTROL.base(), Slot.SYSTEM_CONTROL.count(), systemControl);
    ports.attach(Slot.SERIAL.base(), Slot.SERIAL.count(), serial);
    ports.attach(Slot.I8042_DATA.base(), Slot.I8042_DATA.count(), keyboardController.dataPort());
    ports.attach(
        Slot.I8042_COMMAND.base(), Slot.I8042_COMMAND.count(), keyboardController.commandPort());
    ports.attach(Slot.FAST_A20.base(), Slot.FAST_A20.count(), keyboardController.fastPort());
    ports.attachWide(Slot.DEBUG_EXIT.base(), Slot.DEBUG_EXIT.count(), debugExit);
    ports.attach(Slot.RESET_CONTROL.base(), Slot.RESET_CONTROL.count(), resetControl);
  }

  InterruptController interruptController() {
    return new InterruptController() {
      @Override
      public boolean interruptPending() {
        return pic.interruptPending();
      }

      @Override
      public int acknowledge() {
        return pic.acknowledge();
      }
    };
  }

  void timerExpired(ExternalInput.TimerExpiry expiry) {
    switch (expiry.timer()) {
      case MachineLayout.TIMER_PIT -> pit.expired(expiry.nowNanos());
      default -> throw new IllegalArgumentException("no timer " + expiry.timer());
    }
  }

  void consoleInput(Bytes content) {
    serial.receive(content);
  }
}
