package lockstep.replay.ft;

import java.io.IOException;
import java.util.Optional;
import java.util.function.Consumer;
import lockstep.monitor.VirtualMachine;
import lockstep.replay.log.FramePipe;
import org.jspecify.annotations.Nullable;

/**
 * The backup's side of a machine: follows one primary after another, until it goes live or the VM
 * is over. Told what to do by the loop thread; does it on {@code vcpu-0}.
 */
final class Standby {
  /** Begins to follow one primary. */
  @FunctionalInterface
  interface Follower {
    Following follow(Claimant self, FramePipe pipe);
  }

  /** Goes on with a machine that has replayed all there is, as the VM. */
  @FunctionalInterface
  interface GoLive {
    /** Returns how the VM ended here. */
    FtVm.End with(Following replayed, VirtualMachine on) throws Exception;
  }

  private final FtNode node;
  private final RoleThread vcpu;
  private final Ending ending;
  private final Follower follower;
  private final GoLive goLive;
  private final Consumer<String> notes;

  /** The present or last one; set by the loop thread before any other reads it. */
  private volatile @Nullable Following following;

  Standby(
      FtNode node,
      RoleThread vcpu,
      Ending ending,
      Follower follower,
      GoLive goLive,
      Consumer<String> notes) {
    this.node = node;
    this.vcpu = vcpu;
    this.ending = ending;
    this.follower = follower;
    this.goLive = goLive;
    this.notes = notes;
  }

  /** Becomes what the pipe brings. Returns at once. */
  void follow(Claimant self, FramePipe pipe) {
    Following now = follower.follow(self, pipe);
    following = now;
    vcpu.usual("restore", () -> restore(now)).start();
  }

  private void restore(Following now) {
    try {
      // One machine at a time: an earlier one may still be on its way out.
      vcpu.join();
      VirtualMachine restored = now.restore();
      try {
        node.enter(now.self());
      } catch (Exception e) {
        restored.close();
        throw e;
      }
      vcpu.launch(() -> toTheEnd(now, restored), restored);
      node.tell(now.self(), new FtEvent.Restored());
    } catch (Exception e) {
      node.tell(now.self(), new FtEvent.PairingFailed(String.valueOf(e.getMessage())));
      endWithoutMachine();
    }
  }

  /** The user may have stopped this side while the state came in. */
  private void endWithoutMachine() {
    try {
      node.settle();
      if (node.status().state() == FtState.ENDED) {
        vcpu.over().complete(new FtVm.End.Elsewhere("stopped before it could follow"));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private Optional<FtVm.End> toTheEnd(Following now, VirtualMachine on) throws Exception {
    Following.Came came = now.run(on);
    if (came instanceof Following.Came.Astray astray) {
      node.tell(now.self(), new FtEvent.Diverged(astray.report().lines().findFirst().orElse("?")));
      notes.accept(astray.report());
      node.settle();
    } else {
      node.tell(now.self(), new FtEvent.CaughtUp());
    }
    boolean live = now.awaitDecision();
    return switch (came) {
      case Following.Came.Astray _ -> leave(now, false, "diverged");
      case Following.Came.GuestEnd end -> {
        if (!live) {
          yield leave(now, true, "the guest has ended at the primary");
        }
        // The primary may have died before it showed the guest's last words.
        node.tell(new FtEvent.WentLive());
        node.settle();
        yield Optional.of(ending.guestEnded(on, end.result()));
      }
      case Following.Came.LogEnd _ ->
          live ? Optional.of(goLive.with(now, on)) : leave(now, false, "the pair is over");
    };
  }

  /**
   * This machine goes without having been the VM.
   *
   * @param over whether the guest has ended; else the VM goes on at the primary
   */
  private Optional<FtVm.End> leave(Following of, boolean over, String reason)
      throws InterruptedException {
    // The session says that the log is over before it shows what it has become.
    node.settle();
    Optional<String> halted = vcpu.halted();
    if (halted.isPresent()) {
      return Optional.of(new FtVm.End.Halted(halted.get()));
    }
    try {
      // A backup that waits for another primary has no part in the disk.
      node.left(of.self(), over);
    } catch (IOException e) {
      notes.accept("the disk was not given up: " + e.getMessage());
    }
    // The next primary may be here already, before this machine has gone.
    return node.status().state() == FtState.ENDED
        ? Optional.of(new FtVm.End.Elsewhere(reason))
        : Optional.empty();
  }

  /** The pipe ends; replay the rest and go live, or stop. */
  void endLog(boolean live) {
    Following now = following;
    if (now != null) {
      now.decide(live);
    }
  }

  /** Entries that the replay has taken. Any thread. */
  long replayed() {
    Following now = following;
    return now == null ? 0 : now.replayed();
  }
}
