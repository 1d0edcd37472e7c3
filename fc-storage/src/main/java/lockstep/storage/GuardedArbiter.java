package lockstep.storage;

import java.io.IOException;
import java.util.Optional;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.scsi.ScsiArbiter;

/**
 * For a guest's disk where something else than itself decides which side continues: that one
 * decides, and the disk's own lease or reservation, the guard, keeps other VMs from the disk. The
 * guard follows the decision: the winner takes it, the loser leaves it.
 */
public final class GuardedArbiter implements Arbiter {
  /** What the winner does at the guard. */
  private interface Takeover {
    /** Why this side does not have the guard, though it has won; empty when it has. */
    Optional<Ruling> of(Claimant self) throws InterruptedException;
  }

  private final Arbiter decides;
  private final Arbiter guard;
  private final Takeover takeover;

  /** With the lease of an image, which learns its owner; both are closed with this. */
  public GuardedArbiter(Arbiter decides, FileLease guard) {
    this(
        decides,
        guard,
        self -> {
          // Where the lease does not answer, the disk's writes wait.
          guard.won(self);
          return Optional.empty();
        });
  }

  /**
   * With the reservation of a unit, which refuses the loser's writes; both are closed with this.
   */
  public GuardedArbiter(Arbiter decides, ScsiArbiter guard) {
    this(decides, guard, self -> notWon(guard.claim(self)));
  }

  private GuardedArbiter(Arbiter decides, Arbiter guard, Takeover takeover) {
    this.decides = decides;
    this.guard = guard;
    this.takeover = takeover;
  }

  private static Optional<Ruling> notWon(Ruling ruling) {
    return ruling.verdict() == Verdict.WON ? Optional.empty() : Optional.of(ruling);
  }

  @Override
  public void enter(Claimant self) throws IOException {
    guard.enter(self);
    try {
      decides.enter(self);
    } catch (IOException e) {
      // A VM that runs already keeps its disk.
      if (self.side() == Claimant.Side.BACKUP) {
        guard.part(self);
      } else if (self.epoch() == 1) {
        guard.leave(self);
      }
      throw e;
    }
  }

  @Override
  public Ruling claim(Claimant self) throws InterruptedException {
    Ruling ruling = decides.claim(self);
    return switch (ruling.verdict()) {
      case WON -> takeover.of(self).orElse(ruling);
      case LOST -> {
        try {
          guard.part(self);
        } catch (IOException e) {
          // It shows no sign of life any more, or the storage cannot be reached.
        }
        yield ruling;
      }
      case UNKNOWN -> ruling;
    };
  }

  @Override
  public void contested(boolean may) {
    decides.contested(may);
    guard.contested(may);
  }

  @Override
  public void followed(long nanos) {
    decides.followed(nanos);
    guard.followed(nanos);
  }

  @Override
  public void part(Claimant self) throws IOException {
    try {
      guard.part(self);
    } finally {
      decides.part(self);
    }
  }

  @Override
  public void leave(Claimant self) throws IOException {
    try {
      guard.leave(self);
    } finally {
      decides.leave(self);
    }
  }

  @Override
  public boolean holds() {
    return decides.holds() && guard.holds();
  }

  @Override
  public boolean fences() {
    return guard.fences();
  }

  @Override
  public void close() throws IOException {
    try {
      guard.close();
    } finally {
      decides.close();
    }
  }
}
