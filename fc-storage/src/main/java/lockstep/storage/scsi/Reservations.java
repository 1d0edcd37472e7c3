package lockstep.storage.scsi;

import java.io.IOException;
import java.util.Optional;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Claimant;
import lockstep.sys.Scheduler;

/** Persistent reservations of one unit as calls that wait for their answer. */
public final class Reservations {
  private final ScsiTransport unit;
  private final ScsiCalls calls;
  private final PersistentReserve.Type type;

  /**
   * @param type the kind of every reservation made here
   * @param timeoutMillis for each command
   */
  public Reservations(ScsiTransport unit, PersistentReserve.Type type, int timeoutMillis) {
    this(unit, type, timeoutMillis, Scheduler.HOST);
  }

  Reservations(ScsiTransport unit, PersistentReserve.Type type, int timeoutMillis, Scheduler time) {
    this.unit = unit;
    this.calls = new ScsiCalls(unit, timeoutMillis, time);
    this.type = type;
  }

  /** Who is registered. */
  public PersistentReserve.Keys keys() throws IOException {
    return PersistentReserve.keys(in(PersistentReserve.In.READ_KEYS));
  }

  /**
   * Why the unit has no persistent reservations; empty when it has.
   *
   * @throws IOException when it does not answer; one line
   */
  public Optional<String> refusal() throws IOException {
    ScsiReply reply =
        calls.call(
            PersistentReserve.in(PersistentReserve.In.READ_KEYS),
            Bytes.empty(),
            PersistentReserve.IN_BYTES);
    return reply.good() ? Optional.empty() : Optional.of(reply.text());
  }

  /** Who has the reservation. */
  public Optional<PersistentReserve.Reservation> reservation() throws IOException {
    return PersistentReserve.reservation(in(PersistentReserve.In.READ_RESERVATION));
  }

  /** Whether the reservation is held with this key. */
  boolean holds(long key) throws IOException {
    return reservation().map(now -> now.key() == key).orElse(false);
  }

  /** What the unit supports; empty when it does not even know the question. */
  public Optional<PersistentReserve.Capabilities> capabilities() throws IOException {
    ScsiReply reply =
        calls.call(
            PersistentReserve.in(PersistentReserve.In.REPORT_CAPABILITIES),
            Bytes.empty(),
            PersistentReserve.IN_BYTES);
    return reply.good()
        ? Optional.of(PersistentReserve.capabilities(reply.data()))
        : Optional.empty();
  }

  private Bytes in(PersistentReserve.In what) throws IOException {
    return calls.data(
        "PERSISTENT RESERVE IN", PersistentReserve.in(what), PersistentReserve.IN_BYTES);
  }

  /**
   * Changes something.
   *
   * @param key this nexus's key
   * @param actionKey see {@link PersistentReserve#parameters}
   * @return false for a reservation conflict: it was not done
   * @throws IOException when it was refused for another reason, or there is no answer, and it may
   *     have been done
   */
  public boolean change(PersistentReserve.Out what, long key, long actionKey, boolean persistent)
      throws IOException {
    ScsiReply reply =
        calls.call(
            PersistentReserve.out(what, type),
            PersistentReserve.parameters(key, actionKey, persistent),
            0);
    if (!reply.good() && !reply.conflict()) {
      throw new IOException("%s: %s: %s".formatted(unit.name(), what, reply.text()));
    }
    return reply.good();
  }

  /**
   * Removes the registrations that a pair has with other keys than one.
   *
   * @param key this nexus's
   */
  void removeRest(Claimant ofPair, long key) throws IOException {
    for (long other : keys().keys().stream().distinct().toList()) {
      if (other != key && ScsiKey.isOfPair(other, ofPair)) {
        change(PersistentReserve.Out.PREEMPT, key, other, false);
      }
    }
  }

  /** LOGICAL UNIT RESET. */
  void resetUnit(int timeoutMillis) throws IOException {
    unit.resetUnit(timeoutMillis);
  }

  String name() {
    return unit.name();
  }
}
