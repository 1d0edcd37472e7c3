package lockstep.monitor;

import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import lockstep.monitor.MachineLayout.Slot;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.bus.DmaMemory;
import lockstep.monitor.bus.MmioBus;
import lockstep.monitor.bus.PortBus;
import lockstep.monitor.bus.PortHandler;
import lockstep.monitor.device.CmosRtc;
import lockstep.monitor.device.DebugExit;
import lockstep.monitor.device.I8042;
import lockstep.monitor.device.PciHost;
import lockstep.monitor.device.Pic;
import lockstep.monitor.device.Pit;
import lockstep.monitor.device.ResetControl;
import lockstep.monitor.device.SystemControlPort;
import lockstep.monitor.device.Uart16550;
import lockstep.monitor.device.virtio.VirtioBlock;
import lockstep.monitor.input.ConsoleLine;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.ExternalInput.ConsoleBytes;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.output.DiskSink;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.InterruptController;
import lockstep.monitor.vcpu.RunResult;

/** The machine's devices, wired as {@link MachineLayout} says. Owned by the vCPU thread. */
final class Devices implements ConsoleLine {
  private final Pic pic = new Pic();
  private final Pit pit;
  private final SystemControlPort systemControl;
  private final Uart16550 serial;
  private final I8042 keyboardController;
  private final ResetControl resetControl;
  private final DebugExit debugExit;
  private final CmosRtc rtc;
  private final PciHost pci;
  private final Optional<VirtioBlock> disk;
  private Consumer<RunResult> end = result -> {};
  private long refusedConsoleBytes;

  private long takenConsoleBytes;

  // Written by the vCPU thread, for those that type.
  private volatile long appliedConsoleBytes;
  private volatile int consoleRoomBytes = Uart16550.WAITING_BYTES;
  private volatile boolean consoleListens;
  private volatile boolean consoleNeedsListener;

  /**
   * Devices as after power-on.
   *
   * @param config what the CMOS shows: time and memory size; and whether there is a disk
   * @param inputs clock and timers
   * @param outputs the console
   * @param ram for devices that reach memory by themselves
   * @param diskSink takes the disk's requests
   */
  Devices(
      MachineConfig config,
      InputSource inputs,
      OutputSink outputs,
      DmaMemory ram,
      DiskSink diskSink) {
    this.pit =
        new Pit(
            inputs,
            deadline -> inputs.armTimer(MachineLayout.TIMER_PIT, deadline),
            pic.line(Slot.PIT.irq()));
    pic.onAcknowledge(Slot.PIT.irq(), pit::acknowledged);
    this.systemControl = new SystemControlPort(pit);
    this.serial = new Uart16550(pic.line(Slot.SERIAL.irq()), outputs, this::receiverChanged);
    Runnable reset = () -> end.accept(new RunResult.Reset());
    this.keyboardController = new I8042(pic.line(Slot.I8042_DATA.irq()), reset);
    this.resetControl = new ResetControl(reset);
    this.debugExit = new DebugExit(code -> end.accept(new RunResult.ExitPort(code)));
    this.rtc =
        new CmosRtc(
            inputs,
            deadline -> inputs.armTimer(MachineLayout.TIMER_RTC, deadline),
            pic.line(Slot.RTC.irq()),
            config.rtcEpochSeconds());
    CmosMemorySize.write(rtc, config.memoryBytes());
    this.pci = new PciHost(resetControl);
    this.disk =
        config
            .disk()
            .map(
                geometry ->
                    new VirtioBlock(
                        geometry,
                        MachineLayout.IRQ_DISK,
                        pic.line(MachineLayout.IRQ_DISK),
                        ram,
                        diskSink,
                        reason -> end.accept(new RunResult.Fenced(reason))));
    disk.ifPresent(present -> pci.add(MachineLayout.PCI_DISK, present.pciFunction()));
    makePciLevelTriggered();
  }

  /** Names who is told when the guest ends its run. */
  void onEnd(Consumer<RunResult> listener) {
    end = listener;
  }

  /** What firmware does on a PC: interrupts of PCI devices are levels. */
  private void makePciLevelTriggered() {
    if (disk.isPresent()) {
      pic.elcrPorts().write(1, 1, 1 << (MachineLayout.IRQ_DISK - 8));
    }
  }

  void attachTo(PortBus ports, MmioBus mmio) {
    disk.ifPresent(
        present ->
            present.onWindowMoved(
                new BarWindow(
                        mmio, present::windowAddress, VirtioBlock.WINDOW_BYTES, present.window())
                    ::follow));
    for (Slot slot : Slot.values()) {
      switch (slot) {
        // These take accesses of 2 and 4 bytes as one.
        case DEBUG_EXIT, PCI_CONFIG -> ports.attachWide(slot.base(), slot.count(), handler(slot));
        default -> ports.attach(slot.base(), slot.count(), handler(slot));
      }
    }
  }

  /** No default: a new row of the table does not compile without a device. */
  private PortHandler handler(Slot slot) {
    return switch (slot) {
      case PIC_MASTER -> pic.masterPorts();
      case PIC_SLAVE -> pic.slavePorts();
      case PIC_ELCR -> pic.elcrPorts();
      case PIT -> pit;
      case SYSTEM_CONTROL -> systemControl;
      case I8042_DATA -> keyboardController.dataPort();
      case I8042_COMMAND -> keyboardController.commandPort();
      case RTC -> rtc;
      case FAST_A20 -> keyboardController.fastPort();
      case DEBUG_EXIT -> debugExit;
      case SERIAL -> serial;
      case PCI_CONFIG -> pci;
    };
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
      case MachineLayout.TIMER_RTC -> rtc.expired(expiry.nowNanos());
      default -> throw new IllegalArgumentException("no timer " + expiry.timer());
    }
  }

  /**
   * Bytes typed at the console. What the serial port has no room for is lost and counted; whoever
   * types for the guest has to pace itself, see {@link #takesMore}.
   */
  void consoleInput(Bytes content) {
    refusedConsoleBytes += content.size() - serial.receive(content);
    takenConsoleBytes += content.size();
    // After the room that is left, so that whoever sees this sees that.
    appliedConsoleBytes = takenConsoleBytes;
  }

  private void receiverChanged(boolean listens, int roomBytes) {
    consoleRoomBytes = roomBytes;
    consoleListens = listens;
  }

  /**
   * The guest's driver empties the receiver when it starts, and until then lets nobody interrupt
   * it: what is typed before would be lost.
   */
  void consoleNeedsListener() {
    consoleNeedsListener = true;
  }

  @Override
  public boolean takesMore() {
    return consoleRoomBytes >= ConsoleBytes.MAX_CONSOLE_BYTES
        && (consoleListens || !consoleNeedsListener);
  }

  @Override
  public long appliedBytes() {
    return appliedConsoleBytes;
  }

  /** A request of the disk's ended; a machine without a disk has none. */
  void diskCompleted(ExternalInput.DiskCompletion completion) {
    disk.ifPresent(present -> present.completed(completion));
  }

  List<BlockRequest> diskRequestsInFlight() {
    return disk.map(VirtioBlock::inFlight).orElse(List.of());
  }

  /** How many typed bytes were lost; not part of the state, as no device depends on it. */
  long refusedConsoleBytes() {
    return refusedConsoleBytes;
  }

  /** The state of all devices. Not for the exit path: it allocates. */
  DevicesState save() {
    return new DevicesState(
        pic.save(),
        pit.save(),
        systemControl.save(),
        serial.save(),
        keyboardController.save(),
        resetControl.save(),
        rtc.save(),
        pci.save(),
        disk.stream().map(VirtioBlock::save).toList());
  }

  /**
   * Takes over a saved state and arms the timers again.
   *
   * @throws IllegalArgumentException when no such machine can have saved it
   */
  void restore(DevicesState state) {
    pit.restore(state.pit());
    systemControl.restore(state.systemControl());
    serial.restore(state.serial());
    keyboardController.restore(state.keyboardController());
    resetControl.restore(state.resetControl());
    rtc.restore(state.rtc());
    pci.restore(state.pci());
    if (state.disks().size() != disk.stream().count()) {
      throw new IllegalArgumentException(state.disks().size() + " disks");
    }
    disk.ifPresent(present -> present.restore(state.disks().getFirst()));
    // Last: the devices have driven their lines, which may have looked like new requests.
    pic.restore(state.pic());
  }

  /** The machine's reset. The battery keeps the CMOS clock and RAM. */
  void reset() {
    pit.reset();
    systemControl.reset();
    serial.reset();
    keyboardController.reset();
    resetControl.reset();
    rtc.reset();
    pci.reset();
    disk.ifPresent(VirtioBlock::reset);
    // Last: the devices have taken their lines down, so no request from before survives.
    pic.reset();
    makePciLevelTriggered();
  }
}
