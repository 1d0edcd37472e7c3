package lockstep.kvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import lockstep.kvm.PerfCounter.Event;
import lockstep.testing.KvmRequired;
import lockstep.testing.RealModeGuest;
import lockstep.uapi.kvm_h;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@KvmRequired
@Timeout(60)
class PerfCounterTest {
  @Test
  void aCounterCountsWhileStartedAndStandsWhenStopped() throws Exception {
    try (PerfCounter counter = PerfCounter.open(Event.TASK_CLOCK)) {
      counter.start();
      long end = System.nanoTime() + 5_000_000;
      while (System.nanoTime() < end) {
        Thread.onSpinWait();
      }
      counter.stop();
      long count = counter.read();
      assertTrue(count > 0, "count " + count);
      assertEquals(count, counter.read());
      assertThrows(IllegalArgumentException.class, () -> counter.start(0));
    }
  }

  @Test
  void anOverflowEndsKvmRunOfAGuestThatMakesNoExits() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(0xeb, 0xfe);
        PerfCounter counter = PerfCounter.open(Event.TASK_CLOCK)) {
      counter.start(20_000_000); // 20 ms of CPU time
      assertFalse(guest.vcpu().run());
      counter.stop();
      assertTrue(counter.read() >= 20_000_000);
    }
  }

  @Test
  void theSelfTestFindsACounterOrSaysWhyNot() throws Exception {
    try (RealModeGuest guest =
        RealModeGuest.of(
            0xb9, 0xe8, 0x03, // mov cx, 1000
            0x49, // dec cx
            0x75, 0xfd, // jnz to the dec
            0xe6, 0x12, // out 0x12, al
            0xeb, 0xf6)) { // jmp to the start
      PmuSelfTest.Result result =
          PmuSelfTest.run(() -> assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit()), 1000);
      System.out.println("PMU: " + result.reason());
      assertFalse(result.reason().isBlank());
      if (result.event().isEmpty()) {
        assertTrue(result.reason().contains(" "), result.reason());
      }
    }
  }
}
