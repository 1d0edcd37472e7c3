package lockstep.kvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import lockstep.testing.KvmRequired;
import lockstep.testing.RealModeGuest;
import lockstep.uapi.kvm_h;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@KvmRequired
@Timeout(60)
class VcpuKickTest {
  private static final int[] SPIN = {0xeb, 0xfe}; // jmp to itself
  private static final int KICKS = 2_000;

  @Test
  void aKickEndsAnInfiniteLoop() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(SPIN)) {
      Thread other = kickAfterMillis(guest.vcpu().kick(), 50);
      assertFalse(guest.vcpu().run());
      other.join();
    }
  }

  @Test
  void aKickBeforeTheEntryIsNotLost() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(SPIN)) {
      guest.vcpu().kick().kick();
      assertFalse(guest.vcpu().run());
      guest.vcpu().clearKick();
      Thread other = kickAfterMillis(guest.vcpu().kick(), 50);
      assertFalse(guest.vcpu().run());
      other.join();
    }
  }

  @Test
  void aKickSurvivesTheCompletionOfAnInstruction() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(0xe6, 0x12, 0xeb, 0xfe)) {
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      guest.vcpu().kick().kick();
      assertFalse(guest.vcpu().completeInstruction());
      assertFalse(guest.vcpu().run());
    }
  }

  @Test
  void noKickIsLostWhileTheVcpuThreadClearsThem() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(SPIN)) {
      AtomicInteger work = new AtomicInteger();
      VcpuKick kick = guest.vcpu().kick();
      AtomicInteger seen = new AtomicInteger();
      Thread other =
          Thread.ofPlatform()
              .start(
                  () -> {
                    for (int i = 1; i <= KICKS; i++) {
                      work.set(i);
                      kick.kick();
                      while (seen.get() < i) {
                        LockSupport.parkNanos(1_000);
                      }
                    }
                  });
      while (seen.get() < KICKS) {
        guest.vcpu().clearKick();
        int now = work.get();
        seen.set(now);
        if (now < KICKS) {
          guest.vcpu().run(); // would hang here for ever if a kick were lost
        }
      }
      other.join();
    }
  }

  @Test
  void aKickAfterTheVcpuThreadEndedDoesNoHarm() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(SPIN)) {
      CountDownLatch bound = new CountDownLatch(1);
      Thread runner =
          Thread.ofPlatform()
              .start(
                  () -> {
                    guest.vcpu().kick().bindToThisThread();
                    bound.countDown();
                  });
      bound.await();
      runner.join();
      guest.vcpu().kick().kick();
      assertFalse(guest.vcpu().run());
    }
  }

  @Test
  void theSignalDoesNotDisturbBlockingCallsOfTheThread() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(SPIN)) {
      Thread other = kickAfterMillis(guest.vcpu().kick(), 20);
      long start = System.nanoTime();
      Thread.sleep(100);
      assertTrue(System.nanoTime() - start >= 100_000_000, "slept on");
      other.join();
      assertTrue(guest.vcpu().kick().pending());
    }
  }

  private static Thread kickAfterMillis(VcpuKick kick, int millis) {
    return Thread.ofPlatform()
        .start(
            () -> {
              try {
                Thread.sleep(millis);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
              kick.kick();
            });
  }
}
