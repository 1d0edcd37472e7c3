package lockstep.monitor.input;

import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.WireEnum;

/**
 * A placed input: applied to a device on the vCPU thread at an execution point. Polled inputs
 * (clock readings) are not here: they are answered while a guest exit is handled.
 */
public sealed interface ExternalInput {
  /**
   * A device timer reached its deadline.
   *
   * @param timer which timer, a {@code MachineLayout} timer number
   * @param nowNanos the guest clock when it was seen to expire, at or after the deadline
   */
  record TimerExpiry(int timer, long nowNanos) implements ExternalInput {}

  /**
   * Bytes typed at the guest's console.
   *
   * @param content at most {@link #MAX_CONSOLE_BYTES}
   */
  record ConsoleBytes(Bytes content) implements ExternalInput {
    /** What one input carries at most: a typed line, and far below the 64 KiB of a log entry. */
    public static final int MAX_CONSOLE_BYTES = 4096;
  }

  /**
   * A request to a disk ended.
   *
   * @param disk which of the machine's disks, from 0
   * @param id the request's number
   * @param status how it ended
   * @param data what a read found; where it did not end well the reason, UTF-8, for people
   */
  record DiskCompletion(int disk, long id, DiskStatus status, Bytes data) implements ExternalInput {
    /** The longest reason, bytes; the longest read is a request's bound. */
    public static final int MAX_REASON_BYTES = 512;

    /** Checks the size. */
    public DiskCompletion {
      int most = status == DiskStatus.DONE ? BlockRequest.MAX_TRANSFER_BYTES : MAX_REASON_BYTES;
      if (data.size() > most) {
        throw new IllegalArgumentException(
            "a disk completion of %d bytes, above %d".formatted(data.size(), most));
      }
    }
  }

  /** How a disk request ended. */
  enum DiskStatus implements WireEnum {
    /** Carried out. */
    DONE(0),
    /** Not carried out, or only in part. */
    FAILED(1),
    /** The storage refused this host: another one has the disk now, and this guest must halt. */
    FENCED(2);

    private final int wire;

    DiskStatus(int wire) {
      this.wire = wire;
    }

    @Override
    public int wire() {
      return wire;
    }
  }

  /** The monitor's decision about the guest's life. */
  record HostDecision(Decision decision) implements ExternalInput {}

  /** What a host can decide. */
  enum Decision {
    /** Stop the guest now, in order, as if the power were cut. */
    STOP,
    /** Reset the machine to its boot state. */
    RESET
  }
}
