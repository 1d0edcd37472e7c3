package lockstep.replay.ft.protocol;

import java.util.Optional;
import lockstep.replay.log.LogHeader;

/** Which primaries a backup goes with. */
final class Admission {
  private Admission() {}

  /**
   * Why not with this one; empty if it is welcome.
   *
   * @param vm of the last pair here; empty for none
   * @param epoch of that pair
   * @param times this side's
   */
  static Optional<String> objection(PeerMessage.Hello hello, String vm, long epoch, FtTimes times) {
    if (hello.logVersion() != LogHeader.VERSION) {
      return Optional.of(
          ("VM %s has a log of version %d, and version %d is read here;"
                  + " install the same Lockstep on both hosts")
              .formatted(hello.name(), hello.logVersion(), LogHeader.VERSION));
    }
    if (hello.vm().equals(vm) && hello.epoch() <= epoch) {
      return Optional.of(
          "epoch %d of VM %s is over; the last one here was %d"
              .formatted(hello.epoch(), hello.name(), epoch));
    }
    if (hello.silenceMillis() != times.silenceMillis()) {
      // The lease of one side must be covered by the patience of the other.
      return Optional.of(
          "the failure time-out of VM %s is %d ms, and %d ms here; give both the same one"
              .formatted(hello.name(), hello.silenceMillis(), times.silenceMillis()));
    }
    return Optional.empty();
  }
}
