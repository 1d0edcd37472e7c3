package lockstep.testvms;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.boot.RewriteOptions;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.vcpu.SpecialPorts;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.protocol.FtTimes;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;

/** A guest, protected: both sides in this process, over the loopback interface. */
record LivePair(
    LiveSide primary,
    LiveSide backup,
    InetSocketAddress at,
    AtomicReference<FailingMachine> machine)
    implements AutoCloseable {
  private static final String VM = "00112233445566778899aabbccddeeff";

  /** As the commands do it. */
  private static final RewriteOptions REWRITE =
      RewriteOptions.timestamps(SpecialPorts.CLOCK_PORT, SpecialPorts.CLOCK_AUX_PORT);

  /** More than two sides and a guest on one busy CPU are ever silent for. */
  private static final long SILENCE_MILLIS = 3_000;

  /** Who of a pair wins. */
  enum Winner {
    /** The side that claims first. */
    FIRST,
    /** The backup: the disk gives the primary no answer before. */
    BACKUP
  }

  /** Whoever of a pair claims first has won. */
  private static final class FirstWins implements Arbiter {
    private final Map<Long, Claimant.Side> winners = new HashMap<>();
    private final Winner chosen;

    FirstWins(Winner chosen) {
      this.chosen = chosen;
    }

    @Override
    public void enter(Claimant self) {
      // There is but one VM.
    }

    @Override
    public synchronized Ruling claim(Claimant self) {
      if (chosen == Winner.BACKUP
          && self.side() == Claimant.Side.PRIMARY
          && !winners.containsKey(self.epoch())) {
        return new Ruling(Verdict.UNKNOWN, "the disk is slow for the primary");
      }
      Claimant.Side winner = winners.computeIfAbsent(self.epoch(), _ -> self.side());
      return new Ruling(
          winner == self.side() ? Verdict.WON : Verdict.LOST, "the " + winner + " was first");
    }

    @Override
    public void part(Claimant self) {
      // Nobody waits for the disk.
    }

    @Override
    public void leave(Claimant self) {
      // Nobody waits for the disk.
    }

    @Override
    public void contested(boolean may) {
      // It does not forget.
    }

    @Override
    public void followed(long nanos) {
      // It does not forget.
    }

    @Override
    public boolean holds() {
      return true;
    }

    @Override
    public boolean fences() {
      return false;
    }

    @Override
    public void close() {
      // Nothing is open.
    }
  }

  /** The bank; starts it when the pair stands. */
  static LivePair form(Kvm kvm, BlockDevice disk) throws Exception {
    return form(kvm, "bank", disk);
  }

  /** Starts a guest when the pair stands. */
  static LivePair form(Kvm kvm, String guest, BlockDevice disk) throws Exception {
    return form(kvm, Guests.find(guest).orElseThrow(), "", disk);
  }

  /** The bank with a disk for each side; starts it when the pair stands. */
  static LivePair form(Kvm kvm, Disks disks) throws Exception {
    LivePair pair = start(kvm, Guests.find("bank").orElseThrow(), "", disks, true);
    pair.protect();
    return pair;
  }

  /** Gives the VM its backup. */
  void protect() throws Exception {
    primary.node().protect(at);
  }

  /** A guest that runs, and a side that could be its backup. */
  static LivePair alone(Kvm kvm, String guest, BlockDevice disk) throws Exception {
    return start(kvm, Guests.find(guest).orElseThrow(), "", Disks.shared(disk), false);
  }

  /** The same with a guest that is not in the table, and its options. */
  static LivePair form(Kvm kvm, Guest guest, String commandLine, BlockDevice disk)
      throws Exception {
    LivePair pair = start(kvm, guest, commandLine, Disks.shared(disk), true);
    pair.protect();
    return pair;
  }

  /**
   * What the two sides have.
   *
   * @param disk the primary's
   * @param backupDisk the backup's
   */
  record Disks(BlockDevice disk, BlockDevice backupDisk, Winner winner) {
    /** One for both. */
    static Disks shared(BlockDevice disk) {
      return new Disks(disk, disk, Winner.FIRST);
    }
  }

  private static LivePair start(
      Kvm kvm, Guest guest, String commandLine, Disks disks, boolean protectedFirst)
      throws Exception {
    FtTimes times = FtTimes.of(SILENCE_MILLIS);
    Arbiter arbiter = new FirstWins(disks.winner());
    QuirkSet quirks = QuirkProbe.probe(kvm);
    RecordOptions options = RecordOptions.of(StepReach.KERNEL);
    LiveSide backup =
        new LiveSide(kvm, FtSession.backup(times), times, arbiter, disks.backupDisk(), options);
    InetSocketAddress at =
        backup
            .network()
            .listen(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                backup.node()::accept,
                backup.node()::turnedAway);
    LiveSide primary =
        new LiveSide(
            kvm, FtSession.primary(guest.name(), VM, times), times, arbiter, disks.disk(), options);
    AtomicReference<FailingMachine> running = new AtomicReference<>();
    long memoryBytes = (long) guest.memoryMib() << 20;
    MachineConfig config =
        new MachineConfig(memoryBytes, CpuModel.Kind.DETERMINISTIC, 0)
            .withDisk(disks.disk().geometry());
    primary
        .vm()
        .start(
            doors -> {
              Machine machine =
                  Machine.create(
                      kvm, MachineOrigin.here(config, quirks, kvm.supportedCpuid()), doors, doors);
              machine.boot(
                  BootImages.load(
                      BootFile.of(guest.name(), guest.image()),
                      BootConfig.of(memoryBytes, commandLine).withRewrite(REWRITE)));
              FailingMachine made = new FailingMachine(machine);
              running.set(made);
              return made;
            },
            0,
            protectedFirst);
    return new LivePair(primary, backup, at, running);
  }

  @Override
  public void close() {
    primary.close();
    backup.close();
  }
}
