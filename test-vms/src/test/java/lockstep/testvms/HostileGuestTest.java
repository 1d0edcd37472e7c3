package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import lockstep.kvm.Kvm;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImages;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Whatever a guest does to registers, MSRs, ports, descriptors and memory is a fault in the guest
 * or nothing: the run ends in one of its results, a snapshot at any moment can be restored, and a
 * replay does the same.
 */
@KvmRequired
class HostileGuestTest {
  private static final long ACTIONS = 50_000;
  private static final long LONG_ACTIONS = 10_000_000;
  private static final long RECORDED_ACTIONS = 10_000;

  /** Ends a pair that hangs. */
  private static final long PAIR_SECONDS = 300;

  /** A recorded guest that makes no progress for so long has hung itself. */
  private static final long IDLE_MILLIS = 20_000;

  private static void play(long actions) throws Exception {
    long seed = Integer.getInteger("lockstep.seed", new Random().nextInt(1 << 30));
    HostileGuest guest = new HostileGuest();
    try {
      guest.run(actions, seed);
    } finally {
      System.out.println("hostile: first seed " + seed);
      guest.report(System.out);
    }
    assertTrue(guest.actions() >= actions);
  }

  @Test
  void aHostileGuestNeverEndsTheMonitor() throws Exception {
    play(ACTIONS);
  }

  @Test
  @Tag("long")
  void aHostileGuestNeverEndsTheMonitorInTenMillionActions() throws Exception {
    play(LONG_ACTIONS);
  }

  /** As often as it takes, since most runs end early. */
  @Test
  void aHostileGuestReplaysWithEqualDigests() throws Exception {
    long seed = Integer.getInteger("lockstep.seed", new Random().nextInt(1 << 30));
    long actions = 0;
    while (actions < RECORDED_ACTIONS) {
      actions += recordAndReplay(seed++, RECORDED_ACTIONS - actions);
    }
  }

  private static long recordAndReplay(long seed, long actions) throws Exception {
    String line = "actions=%d seed=%d calm=0".formatted(actions, seed);
    long memoryBytes = (long) HostileGuest.GUEST.memoryMib() << 20;
    BootFile file = BootFile.of(HostileGuest.GUEST.name(), HostileGuest.GUEST.image());
    AtomicLong made = new AtomicLong();
    try (MemoryMedium medium = new MemoryMedium(HostileGuest.DISK_BYTES)) {
      RecordedGuest guest =
          new RecordedGuest(
                  _ -> BootImages.load(file, BootConfig.of(memoryBytes, line)),
                  memoryBytes,
                  console -> stopWhenIdle(console, made))
              .withDisk(medium);
      RecordedGuest.Recording recording =
          guest.record(
              RecordOptions.of(StepReach.KERNEL),
              RecordedGuest.NO_COUNTER,
              real ->
                  new PassedOn(real) {
                    @Override
                    public void guestExit(GuestExit exit, long address, int sizeBytes, long data) {
                      if (exit == GuestExit.PORT_OUT && address == HostileGuest.PROGRESS_PORT) {
                        made.set(data);
                      }
                      super.guestExit(exit, address, sizeBytes, data);
                    }
                  });
      try {
        RecordReplayTest.assertReplays(guest, recording);
      } catch (AssertionError e) {
        throw new AssertionError("hostile: " + line + ", which ended in " + recording.how(), e);
      }
    }
    return Math.max(1, made.get());
  }

  /** Until the guest ends itself, the backup replays what it does and finds no difference. */
  @Test
  void aHostileGuestInAPairEndsEqualAtBothSides() throws Exception {
    long seed = Integer.getInteger("lockstep.seed", new Random().nextInt(1 << 30));
    String line = "actions=%d seed=%d calm=1".formatted(RECORDED_ACTIONS, seed);
    try (Kvm kvm = Kvm.open();
        MemoryMedium medium = new MemoryMedium(HostileGuest.DISK_BYTES);
        LivePair pair = LivePair.form(kvm, HostileGuest.GUEST, line, medium)) {
      VmEnd end = pair.primary().vm().over().get(PAIR_SECONDS, TimeUnit.SECONDS);
      VmEnd other = pair.backup().vm().over().get(PAIR_SECONDS, TimeUnit.SECONDS);
      String said =
          "hostile: %s%nprimary: %s %s%nbackup: %s %s"
              .formatted(line, end, pair.primary().notes(), other, pair.backup().notes());
      assertInstanceOf(VmEnd.Guest.class, end, said);
      assertInstanceOf(VmEnd.Elsewhere.class, other, said);
      assertTrue(pair.backup().notes("divergence").isEmpty(), said);
      System.out.println(said);
    }
  }

  /** A guest that has ended takes no notice. */
  private static void stopWhenIdle(LiveConsole console, AtomicLong made) {
    Thread unused =
        Thread.ofVirtual()
            .start(
                () -> {
                  long seen = -1;
                  while (seen != made.get()) {
                    seen = made.get();
                    LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(IDLE_MILLIS));
                  }
                  console.stopGuest();
                });
  }
}
