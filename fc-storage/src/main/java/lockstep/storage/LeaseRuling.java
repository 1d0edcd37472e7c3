package lockstep.storage;

import java.util.Optional;
import lockstep.replay.ft.disk.Arbiter.Ruling;
import lockstep.replay.ft.disk.Arbiter.Verdict;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.LeaseHold.Entry;
import lockstep.storage.lease.LeaseChain;
import lockstep.storage.lease.LeaseChain.View;
import lockstep.storage.lease.LeaseState;
import lockstep.storage.lease.LeaseState.Mark;

/** What the state of a lease says of a claim. */
final class LeaseRuling {
  private final LeaseChain chain;
  private final String subject;

  /**
   * @param subject the image, for people
   */
  LeaseRuling(LeaseChain chain, String subject) {
    this.chain = chain;
    this.subject = subject;
  }

  static Ruling unknown(String reason) {
    return new Ruling(Verdict.UNKNOWN, reason);
  }

  /**
   * The ruling.
   *
   * @param entered what the claimant entered as in this process
   * @return empty when nobody has claimed
   */
  Optional<Ruling> of(Claimant self, Optional<Entry> entered, View view) {
    if (!(view instanceof View.At at)) {
      return Optional.of(
          unknown(view instanceof View.Unclear unclear ? unclear.why() : chain.missing()));
    }
    LeaseState now = at.state();
    boolean another = entered.isPresent() && !entered.get().token().equals(at.token());
    if (another && !now.vm().equals(self.vm())) {
      return Optional.of(unknown(chain.another(now)));
    }
    if (now.isOf(self)
        && (another || entered.isEmpty() || entered.get().state().sequence() == now.sequence())) {
      if (now.mark() == Mark.OPEN) {
        return Optional.empty();
      }
      return Optional.of(
          now.mark() == Mark.of(self.side())
              ? new Ruling(Verdict.WON, "disk %s, epoch %d".formatted(subject, self.epoch()))
              : new Ruling(
                  Verdict.LOST,
                  now.mark() == Mark.OVER
                      ? "disk %s: the VM has ended".formatted(subject)
                      : "disk %s was claimed by the %s".formatted(subject, now.mark())));
    }
    if (now.vm().equals(self.vm()) && now.epoch() < self.epoch()) {
      return Optional.of(
          unknown(
              "disk %s has an earlier pair of this VM, epoch %d".formatted(subject, now.epoch())));
    }
    return Optional.of(
        new Ruling(
            Verdict.LOST,
            "disk %s has gone to a later pair or another VM (%s)"
                .formatted(subject, now.inWords())));
  }
}
