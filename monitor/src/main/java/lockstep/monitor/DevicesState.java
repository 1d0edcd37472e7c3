package lockstep.monitor;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import lockstep.monitor.MachineLayout.PciSlot;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.DeviceState;
import lockstep.monitor.state.StateCodec;

/**
 * All devices of a machine as one value; {@link StateCodec} gives the bytes to digest or send.
 *
 * @param rows one for each device, in the order in which they are restored
 */
public record DevicesState(List<Row> rows) implements DeviceState {
  /** Copies. */
  public DevicesState {
    rows = List.copyOf(rows);
  }

  /**
   * One device.
   *
   * @param number which, see {@link MachineLayout.Row}
   * @param state the bytes of its State record
   */
  public record Row(int number, Bytes state) implements DeviceState {
    /** What people call it, such as {@code pit} or {@code disk 0}. */
    public String name() {
      return number >= MachineLayout.PCI_ROWS
          ? named(
              Arrays.stream(PciSlot.values())
                  .filter(slot -> MachineLayout.PCI_ROWS + slot.device() == number)
                  .findFirst())
          : named(
              Arrays.stream(MachineLayout.Row.values())
                  .filter(row -> row.number() == number)
                  .findFirst());
    }

    private String named(Optional<? extends Enum<?>> row) {
      return row.map(found -> found.name().toLowerCase(Locale.ROOT).replace('_', ' '))
          .orElse("device " + number);
    }
  }

  /** The device with this number; empty for a machine without it. */
  public Optional<Row> row(int number) {
    return rows.stream().filter(row -> row.number() == number).findFirst();
  }
}
