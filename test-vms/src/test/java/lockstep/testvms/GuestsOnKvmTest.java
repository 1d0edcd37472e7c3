package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.testing.KvmRequired;
import lockstep.testvms.LiveGuest.Outcome;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every freestanding guest on the KVM of the host this runs on. */
@KvmRequired
final class GuestsOnKvmTest {
  /** Each takes two seconds at most where kernel code is emulated; the rest is for a busy host. */
  private static final int TIMEOUT_SECONDS = 300;

  private static final int FUZZ_SECONDS = 300;

  /** What class loading and a console of some lines may take; a byte an access would not fit. */
  private static final long HEAP_GROWTH_BYTES = 1_000_000;

  private static final Pattern TOUCHED = Pattern.compile("([0-9]+) KiB touched, ([0-9]+) KiB in");

  @ParameterizedTest
  @MethodSource("lockstep.testvms.Guests#all")
  void guestShowsWhatItShould(Guest guest) throws Exception {
    Outcome outcome = LiveGuest.run(guest, guest.memoryMib(), "", TIMEOUT_SECONDS);
    assertTrue(outcome.isRightFor(guest), outcome::toString);
  }

  @Test
  void memoryMapGivesAllOfTheRam() throws Exception {
    Guest guest = Guests.find("memory").orElseThrow();
    Outcome outcome = LiveGuest.run(guest, 32, "", TIMEOUT_SECONDS);
    Matcher matcher = TOUCHED.matcher(outcome.console());
    assertTrue(matcher.find(), outcome::toString);
    long kib = Long.parseLong(matcher.group(1)) + Long.parseLong(matcher.group(2));
    // 159 whole pages below the BIOS data area at 639 KiB, and all from 1 MiB on.
    assertEquals(159 * 4 + 31 * 1024, kib, outcome::toString);
  }

  /** A minute where kernel code is emulated. */
  @Test
  @Tag("long")
  void aMillionWildAccessesLeaveTheMonitorAliveAndItsMemoryBounded() throws Exception {
    long seed = System.nanoTime();
    System.out.println("ports guest: accesses=1000000 seed=" + seed);
    Guest guest = Guests.find("ports").orElseThrow();
    long before = usedHeapBytes();
    Outcome outcome =
        LiveGuest.run(guest, guest.memoryMib(), "accesses=1000000 seed=" + seed, FUZZ_SECONDS);
    assertTrue(outcome.isRightFor(guest), outcome::toString);
    assertTrue(outcome.console().contains(" 1000000 accesses "), outcome::toString);
    long grownBytes = usedHeapBytes() - before;
    assertTrue(grownBytes < HEAP_GROWTH_BYTES, () -> "heap grew by " + grownBytes + " bytes");
    System.out.printf("heap grew by %d bytes, %s%n", grownBytes, outcome.counters());
  }

  private static long usedHeapBytes() {
    System.gc();
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }
}
