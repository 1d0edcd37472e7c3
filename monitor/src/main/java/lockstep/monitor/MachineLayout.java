package lockstep.monitor;

import java.util.List;
import lockstep.monitor.block.DiskRequest;

/**
 * The machine's one table: which device sits at which ports, on which interrupt, with which timers.
 * The same on every host; the numbers are those of the IBM PC/AT and its successors where those
 * have one. Three more ports stand for instructions and are no device's: {@link
 * lockstep.monitor.vcpu.SpecialPorts}.
 */
public final class MachineLayout {
  private MachineLayout() {}

  /** A device's place: first port, number of ports, interrupt request line (or {@link #NO_IRQ}). */
  public enum Slot {
    PIC_MASTER(0x20, 2, MachineLayout.NO_IRQ),
    PIC_SLAVE(0xa0, 2, MachineLayout.NO_IRQ),
    PIC_ELCR(0x4d0, 2, MachineLayout.NO_IRQ),
    PIT(0x40, 4, 0),
    SYSTEM_CONTROL(0x61, 1, MachineLayout.NO_IRQ),
    I8042_DATA(0x60, 1, 1),
    I8042_COMMAND(0x64, 1, MachineLayout.NO_IRQ),
    RTC(0x70, 2, 8),
    FAST_A20(0x92, 1, MachineLayout.NO_IRQ),
    DEBUG_EXIT(0xf4, 4, MachineLayout.NO_IRQ),
    SERIAL(0x3f8, 8, 4),
    /** A byte at 0xcf9, among these ports, is the reset control register. */
    PCI_CONFIG(0xcf8, 8, MachineLayout.NO_IRQ);

    private final int base;
    private final int count;
    private final int irq;

    Slot(int base, int count, int irq) {
      this.base = base;
      this.count = count;
      this.irq = irq;
    }

    /** The first port. */
    public int base() {
      return base;
    }

    /** How many ports. */
    public int count() {
      return count;
    }

    /** The interrupt request line 0..15, or {@link #NO_IRQ}. */
    public int irq() {
      return irq;
    }
  }

  /**
   * A PCI device's place on bus 0: device number, and the interrupt request line that its pin is
   * wired to. Level triggered, as PCI demands, so that several slots may share a line.
   */
  public enum PciSlot {
    DISK_0(4, 11),
    DISK_1(5, 10),
    DISK_2(6, 9),
    DISK_3(7, 5),
    DISK_4(8, 11),
    DISK_5(9, 10),
    DISK_6(10, 9),
    DISK_7(11, 5),
    RNG(16, 10);

    private final int device;
    private final int irq;

    PciSlot(int device, int irq) {
      this.device = device;
      this.irq = irq;
    }

    /** The device number on bus 0. */
    public int device() {
      return device;
    }

    /** The interrupt request line. */
    public int irq() {
      return irq;
    }

    /** The slot of a machine's disk, counted from 0. */
    public static PciSlot disk(int number) {
      return DISKS.get(number);
    }
  }

  private static final List<PciSlot> DISKS =
      List.of(
          PciSlot.DISK_0,
          PciSlot.DISK_1,
          PciSlot.DISK_2,
          PciSlot.DISK_3,
          PciSlot.DISK_4,
          PciSlot.DISK_5,
          PciSlot.DISK_6,
          PciSlot.DISK_7);

  /** How many disks a machine has at most. */
  public static final int MAX_DISKS = DiskRequest.MAX_DISKS;

  /**
   * The numbers of the devices in a saved machine; a PCI device has {@link #PCI_ROWS} and its
   * device number.
   */
  public enum Row {
    PIT(1),
    SYSTEM_CONTROL(2),
    SERIAL(3),
    KEYBOARD_CONTROLLER(4),
    RESET_CONTROL(5),
    RTC(6),
    PCI_HOST(7),
    PIC(8);

    private final int number;

    Row(int number) {
      this.number = number;
    }

    /** The number. */
    public int number() {
      return number;
    }
  }

  /** Where the numbers of PCI devices begin, see {@link Row}. */
  public static final int PCI_ROWS = 0x100;

  /** For devices without an interrupt. */
  public static final int NO_IRQ = -1;

  /** Timer numbers, as they stand in logs. */
  public static final int TIMER_PIT = 0;

  public static final int TIMER_RTC = 1;

  /** How many timers there are. */
  public static final int TIMERS = 2;

  /** RAM ends here at the latest below 4 GiB; above are PCI windows. Bytes. */
  public static final long LOW_RAM_LIMIT = 0xc000_0000L;

  /** RAM that does not fit below {@link #LOW_RAM_LIMIT} goes on here. */
  public static final long HIGH_RAM_START = 0x1_0000_0000L;

  /** A PC's first MiB, and one for a guest to live in. */
  public static final long MIN_MEMORY_BYTES = 2L << 20;

  /** 64 GiB: beyond what a replicated guest can sensibly transfer; a typing error below it. */
  public static final long MAX_MEMORY_BYTES = 64L << 30;
}
