package lockstep.monitor;

import java.util.List;
import java.util.stream.Stream;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.ExternalInput.ConsoleBytes;
import lockstep.monitor.input.ExternalInput.Decision;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.input.ExternalInput.HostDecision;
import lockstep.monitor.input.ExternalInput.TimerExpiry;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.DeviceState;

/**
 * What the InputSource adds to a machine's state. Deadlines of timers are not here: the devices
 * know them and arm them again.
 *
 * @param clockNanos the guest clock: no reading was later, and the first one after a restore is not
 *     earlier
 * @param pending inputs that were accepted and not applied yet, oldest first
 */
public record SavedInputs(long clockNanos, List<ExternalInput> pending) {
  /** Checks the range and copies. */
  public SavedInputs {
    if (clockNanos < 0) {
      throw new IllegalArgumentException("guest clock " + clockNanos);
    }
    pending = List.copyOf(pending);
  }

  /**
   * Of a machine that lives on, from all that waits. Decisions of its host are about that run; a
   * timer that expired and was not applied is due again when its device has armed it anew.
   */
  public static SavedInputs ofWaiting(long clockNanos, List<ExternalInput> waiting) {
    return new SavedInputs(
        clockNanos,
        waiting.stream()
            .filter(input -> !(input instanceof HostDecision || input instanceof TimerExpiry))
            .toList());
  }

  private static final int TIMER = 1;
  private static final int CONSOLE = 2;
  private static final int DECISION = 3;
  private static final int DISK = 4;
  private static final int STOP = 1;
  private static final int RESET = 2;

  /** In the form that {@code StateCodec} writes. */
  record Encoded(long clockNanos, List<Input> pending) implements DeviceState {}

  /**
   * An input of any kind; what a kind does not use is zero or empty.
   *
   * @param device which disk
   * @param number which timer or decision, or how a request ended
   * @param nanos the guest clock, or a request's number
   */
  record Input(int kind, int device, int number, long nanos, Bytes content)
      implements DeviceState {}

  Encoded encoded() {
    return new Encoded(clockNanos, pending.stream().map(SavedInputs::encoded).toList());
  }

  private static Input encoded(ExternalInput input) {
    return switch (input) {
      case TimerExpiry expiry ->
          new Input(TIMER, 0, expiry.timer(), expiry.nowNanos(), Bytes.empty());
      case ConsoleBytes console -> new Input(CONSOLE, 0, 0, 0, console.content());
      case DiskCompletion disk ->
          new Input(DISK, disk.disk(), disk.status().wire(), disk.id(), disk.data());
      case HostDecision decision ->
          new Input(
              DECISION,
              0,
              switch (decision.decision()) {
                case STOP -> STOP;
                case RESET -> RESET;
              },
              0,
              Bytes.empty());
    };
  }

  /**
   * The opposite of {@link #encoded()}.
   *
   * @throws IllegalArgumentException when an input can not be
   */
  static SavedInputs of(Encoded encoded) {
    Stream<ExternalInput> pending = encoded.pending().stream().map(SavedInputs::decoded);
    return new SavedInputs(encoded.clockNanos(), pending.toList());
  }

  private static ExternalInput decoded(Input input) {
    ExternalInput decoded =
        switch (input.kind()) {
          case TIMER -> new TimerExpiry(input.number(), input.nanos());
          case CONSOLE -> new ConsoleBytes(input.content());
          case DISK ->
              new DiskCompletion(
                  input.device(), input.nanos(), status(input.number()), input.content());
          case DECISION ->
              new HostDecision(input.number() == STOP ? Decision.STOP : Decision.RESET);
          default -> throw new IllegalArgumentException("an input of kind " + input.kind());
        };
    boolean possible =
        switch (decoded) {
          case TimerExpiry expiry -> expiry.timer() >= 0 && expiry.timer() < MachineLayout.TIMERS;
          case ConsoleBytes console -> console.content().size() <= ConsoleBytes.MAX_CONSOLE_BYTES;
          // Its record checks the size.
          case DiskCompletion disk ->
              disk.id() >= 0 && disk.disk() >= 0 && disk.disk() < MachineLayout.MAX_DISKS;
          case HostDecision decision -> true;
        };
    // Nothing but what the writer would write: fields that a kind does not use are zero.
    if (!possible || !encoded(decoded).equals(input)) {
      throw new IllegalArgumentException("no such input: " + input);
    }
    return decoded;
  }

  private static DiskStatus status(int wire) {
    for (DiskStatus status : DiskStatus.values()) {
      if (status.wire() == wire) {
        return status;
      }
    }
    throw new IllegalArgumentException("a disk completion with status " + wire);
  }
}
