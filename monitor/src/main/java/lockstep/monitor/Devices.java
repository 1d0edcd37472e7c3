package lockstep.monitor;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import lockstep.monitor.MachineLayout.PciSlot;
import lockstep.monitor.MachineLayout.Slot;
import lockstep.monitor.block.DiskRequest;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.bus.DmaMemory;
import lockstep.monitor.bus.MmioBus;
import lockstep.monitor.bus.PortBus;
import lockstep.monitor.bus.PortHandler;
import lockstep.monitor.device.CmosRtc;
import lockstep.monitor.device.DebugExit;
import lockstep.monitor.device.Device;
import lockstep.monitor.device.I8042;
import lockstep.monitor.device.PciHost;
import lockstep.monitor.device.Pic;
import lockstep.monitor.device.Pit;
import lockstep.monitor.device.ResetControl;
import lockstep.monitor.device.SharedLine;
import lockstep.monitor.device.SystemControlPort;
import lockstep.monitor.device.Uart16550;
import lockstep.monitor.device.virtio.PciWiring;
import lockstep.monitor.device.virtio.VirtioBlock;
import lockstep.monitor.device.virtio.VirtioDevice;
import lockstep.monitor.device.virtio.VirtioRng;
import lockstep.monitor.input.ConsoleLine;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.ExternalInput.ConsoleBytes;
import lockstep.monitor.input.InputSource;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.DeviceState;
import lockstep.monitor.state.StateCodec;
import lockstep.monitor.vcpu.InterruptController;
import lockstep.monitor.vcpu.RunResult;

/** The machine's devices, wired as {@link MachineLayout} says. Owned by the vCPU thread. */
final class Devices implements ConsoleLine {
  /**
   * How much data of disk requests may wait for completions, and for each disk one request more. A
   * log takes 16 MiB as a machine's devices.
   */
  private static final long MAX_DISK_BYTES = 7L << 20;

  private final Pic pic = new Pic();
  private final Pit pit;
  private final SystemControlPort systemControl;
  private final Uart16550 serial;
  private final I8042 keyboardController;
  private final ResetControl resetControl;
  private final DebugExit debugExit;
  private final CmosRtc rtc;
  private final PciHost pci;
  private final List<VirtioBlock> disks = new ArrayList<>();
  private final List<VirtioDevice<?>> virtioDevices = new ArrayList<>();
  private final Map<Integer, SharedLine> pciLines = new HashMap<>();

  /** All devices, in the order in which they are restored and reset. */
  private final List<Row> rows = new ArrayList<>();

  private Consumer<RunResult> end = result -> {};
  private long refusedConsoleBytes;

  private long takenConsoleBytes;

  // Written by the vCPU thread, for those that type.
  private volatile long appliedConsoleBytes;
  private volatile int consoleRoomBytes = Uart16550.WAITING_BYTES;
  private volatile boolean consoleListens;
  private volatile boolean consoleNeedsListener;

  private record Row(int number, Device<?> device) {}

  /**
   * Devices as after power-on.
   *
   * @param config what the CMOS shows: time and memory size; and which devices a user chose
   * @param inputs clock and timers
   * @param outputs the console, and the disks' requests
   * @param ram for devices that reach memory by themselves
   */
  Devices(MachineConfig config, InputSource inputs, OutputSink outputs, DmaMemory ram) {
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
    addRow(MachineLayout.Row.PIT, pit);
    addRow(MachineLayout.Row.SYSTEM_CONTROL, systemControl);
    addRow(MachineLayout.Row.SERIAL, serial);
    addRow(MachineLayout.Row.KEYBOARD_CONTROLLER, keyboardController);
    addRow(MachineLayout.Row.RESET_CONTROL, resetControl);
    addRow(MachineLayout.Row.RTC, rtc);
    addRow(MachineLayout.Row.PCI_HOST, pci);
    addDisks(config.disks(), outputs, ram);
    if (config.rng()) {
      addPci(PciSlot.RNG, new VirtioRng(inputs, wiring(PciSlot.RNG, ram)));
    }
    // Last: the other devices drive their lines, which may look like new requests.
    addRow(MachineLayout.Row.PIC, pic);
    makePciLevelTriggered();
  }

  private void addRow(MachineLayout.Row row, Device<?> device) {
    rows.add(new Row(row.number(), device));
  }

  private void addDisks(List<Geometry> geometries, OutputSink outputs, DmaMemory ram) {
    for (int i = 0; i < geometries.size(); i++) {
      int disk = i;
      VirtioBlock.Port port =
          new VirtioBlock.Port(
              request -> outputs.request(disk, request),
              reason -> end.accept(new RunResult.Fenced(reason)),
              MAX_DISK_BYTES / geometries.size());
      PciSlot slot = PciSlot.disk(disk);
      VirtioBlock device = new VirtioBlock(geometries.get(disk), wiring(slot, ram), port);
      disks.add(device);
      addPci(slot, device);
    }
  }

  private PciWiring wiring(PciSlot slot, DmaMemory ram) {
    SharedLine line =
        pciLines.computeIfAbsent(slot.irq(), irq -> new SharedLine(pic.line(slot.irq())));
    return new PciWiring(slot.irq(), line.pin(), ram);
  }

  /** A device that sits on the PCI bus; in the order of the slots. */
  private void addPci(PciSlot slot, VirtioDevice<?> device) {
    pci.add(slot.device(), device.pci().function());
    virtioDevices.add(device);
    rows.add(new Row(MachineLayout.PCI_ROWS + slot.device(), device));
  }

  /** Names who is told when the guest ends its run. */
  void onEnd(Consumer<RunResult> listener) {
    end = listener;
  }

  /** What firmware does on a PC: interrupts of PCI devices are levels. */
  private void makePciLevelTriggered() {
    int lines = pciLines.keySet().stream().mapToInt(irq -> 1 << irq).reduce(0, (a, b) -> a | b);
    pic.elcrPorts().write(0, 1, lines & 0xff);
    pic.elcrPorts().write(1, 1, lines >>> 8);
  }

  void attachTo(PortBus ports, MmioBus mmio) {
    for (VirtioDevice<?> device : virtioDevices) {
      device.pci().onWindowMoved(new BarWindow(mmio, device.pci())::follow);
    }
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

  /** A request of a disk's ended; what is said of a disk that is not there changes nothing. */
  void diskCompleted(ExternalInput.DiskCompletion completion) {
    if (completion.disk() < disks.size()) {
      disks.get(completion.disk()).completed(completion);
    }
  }

  List<DiskRequest> diskRequestsInFlight() {
    List<DiskRequest> all = new ArrayList<>();
    for (int i = 0; i < disks.size(); i++) {
      int disk = i;
      disks.get(i).inFlight().forEach(request -> all.add(new DiskRequest(disk, request)));
    }
    return all;
  }

  /** How many typed bytes were lost; not part of the state, as no device depends on it. */
  long refusedConsoleBytes() {
    return refusedConsoleBytes;
  }

  /** The state of all devices. Not for the exit path: it allocates. */
  DevicesState save() {
    return new DevicesState(
        rows.stream()
            .map(
                row ->
                    new DevicesState.Row(
                        row.number(), Bytes.copyOf(StateCodec.encode(row.device().save()))))
            .toList());
  }

  /**
   * Takes over a saved state and arms the timers again.
   *
   * @throws IllegalArgumentException when no such machine can have saved it
   */
  void restore(DevicesState state) {
    List<Integer> here = rows.stream().map(Row::number).toList();
    List<Integer> saved = state.rows().stream().map(DevicesState.Row::number).toList();
    if (!here.equals(saved)) {
      throw new IllegalArgumentException("devices %s, and not %s".formatted(saved, here));
    }
    for (int i = 0; i < rows.size(); i++) {
      restore(rows.get(i).device(), state.rows().get(i).state());
    }
  }

  private static <S extends DeviceState> void restore(Device<S> device, Bytes state) {
    device.restore(StateCodec.decode(device.stateType(), state.toArray()));
  }

  /** The machine's reset. The battery keeps the CMOS clock and RAM. */
  void reset() {
    for (Row row : rows) {
      row.device().reset();
    }
    makePciLevelTriggered();
  }
}
