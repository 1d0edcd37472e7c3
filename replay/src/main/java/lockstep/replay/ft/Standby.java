package lockstep.replay.ft;

import java.io.IOException;
import java.util.Optional;
import java.util.function.Consumer;
import lockstep.monitor.VirtualMachine;
import lockstep.replay.ft.backup.BackupReplay;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.vcpu.RoleThread;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.replay.log.FramePipe;
import org.jspecify.annotations.Nullable;

/**
 * The backup's side of a machine: follows one primary after another, until it goes live or the VM
 * is over. Told what to do by the loop thread; does it on {@code vcpu-0}.
 */
final class Standby {
  /** Begins to follow one primary. */
  @FunctionalInterface
  interface ReplayFactory {
    BackupReplay create(BackupReplay.Source log);
  }

  /** Goes on with a machine that has replayed all there is, as the VM. */
  @FunctionalInterface
  interface Takeover {
    /** Returns how the VM ended here. */
    VmEnd run(BackupReplay replayed, VirtualMachine on) throws Exception;
  }

  private final FtNode node;
  private final RoleThread vcpu;
  private final VmShutdown shutdown;
  private final ReplayFactory replays;
  private final Takeover takeover;
  private final Consumer<String> notes;

  /** The present or last one; set by the loop thread before any other reads it. */
  private volatile @Nullable BackupReplay replay;

  Standby(
      FtNode node,
      RoleThread vcpu,
      VmShutdown shutdown,
      ReplayFactory replays,
      Takeover takeover,
      Consumer<String> notes) {
    this.node = node;
    this.vcpu = vcpu;
    this.shutdown = shutdown;
    this.replays = replays;
    this.takeover = takeover;
    this.notes = notes;
  }

  /** Becomes what the pipe brings. Returns at once. */
  void follow(Claimant self, FramePipe pipe) {
    BackupReplay replay = replays.create(new BackupReplay.Source(self, pipe));
    this.replay = replay;
    vcpu.usual("restore", () -> restore(replay)).start();
  }

  private void restore(BackupReplay replay) {
    try {
      // One machine at a time: an earlier one may still be on its way out.
      vcpu.join();
      VirtualMachine restored = replay.restore();
      try {
        node.enter(replay.self());
      } catch (Exception e) {
        restored.close();
        throw e;
      }
      vcpu.launch(() -> toTheEnd(replay, restored), restored);
      node.post(replay.self(), new FtEvent.Restored());
    } catch (Exception e) {
      node.post(replay.self(), new FtEvent.PairingFailed(String.valueOf(e.getMessage())));
      endWithoutMachine();
    }
  }

  /** The user may have stopped this side while the state came in. */
  private void endWithoutMachine() {
    try {
      node.settle();
      if (node.status().state() == FtState.ENDED) {
        vcpu.over().complete(new VmEnd.Elsewhere("stopped before it could follow"));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private Optional<VmEnd> toTheEnd(BackupReplay replay, VirtualMachine on) throws Exception {
    BackupReplay.Outcome outcome = replay.run(on);
    if (outcome instanceof BackupReplay.Outcome.Diverged diverged) {
      node.post(
          replay.self(), new FtEvent.Diverged(diverged.report().lines().findFirst().orElse("?")));
      notes.accept(diverged.report());
      node.settle();
    } else {
      node.post(replay.self(), new FtEvent.CaughtUp());
    }
    boolean live = replay.awaitDecision();
    return switch (outcome) {
      case BackupReplay.Outcome.Diverged _ -> leave(replay, false, "diverged");
      case BackupReplay.Outcome.GuestEnd end -> {
        if (!live) {
          yield leave(replay, true, "the guest has ended at the primary");
        }
        // The primary may have died before it showed the guest's last words.
        node.post(new FtEvent.WentLive());
        node.settle();
        yield Optional.of(shutdown.guestEnded(on, end.result()));
      }
      case BackupReplay.Outcome.LogEnd _ ->
          live ? Optional.of(takeover.run(replay, on)) : leave(replay, false, "the pair is over");
    };
  }

  /**
   * This machine goes without having been the VM.
   *
   * @param over whether the guest has ended; else the VM goes on at the primary
   */
  private Optional<VmEnd> leave(BackupReplay of, boolean over, String reason)
      throws InterruptedException {
    // The session says that the log is over before it shows what it has become.
    node.settle();
    Optional<String> halted = vcpu.halted();
    if (halted.isPresent()) {
      return Optional.of(new VmEnd.Halted(halted.get()));
    }
    try {
      // A backup that waits for another primary has no part in the disk.
      node.left(of.self(), over);
    } catch (IOException e) {
      notes.accept("the disk was not given up: " + e.getMessage());
    }
    // The next primary may be here already, before this machine has gone.
    return node.status().state() == FtState.ENDED
        ? Optional.of(new VmEnd.Elsewhere(reason))
        : Optional.empty();
  }

  /** The pipe ends; replay the rest and go live, or stop. */
  void endLog(boolean live) {
    BackupReplay last = replay;
    if (last != null) {
      last.decide(live);
    }
  }

  /** Entries that the replay has taken. Any thread. */
  long replayed() {
    BackupReplay last = replay;
    return last == null ? 0 : last.replayed();
  }
}
