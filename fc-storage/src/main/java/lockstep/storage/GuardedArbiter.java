package lockstep.storage;

import java.io.IOException;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;

/**
 * For a guest's image where something else than its own lease decides which side goes on: that one
 * decides, and the lease keeps other VMs from the image.
 */
public final class GuardedArbiter implements Arbiter {
  private final Arbiter decides;
  private final FileLease guard;

  /** Both are closed with this. */
  public GuardedArbiter(Arbiter decides, FileLease guard) {
    this.decides = decides;
    this.guard = guard;
  }

  @Override
  public void enter(Claimant self) throws IOException {
    guard.enter(self);
    try {
      decides.enter(self);
    } catch (IOException e) {
      // A VM that runs already keeps its image.
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
      case WON -> {
        // So that the lease knows its owner; where it does not answer, the disk's writes wait.
        guard.won(self);
        yield ruling;
      }
      case LOST -> {
        try {
          guard.part(self);
        } catch (IOException e) {
          // It shows no sign of life any more, or the share is gone.
        }
        yield ruling;
      }
      case UNKNOWN -> ruling;
    };
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
    return decides.fences();
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
