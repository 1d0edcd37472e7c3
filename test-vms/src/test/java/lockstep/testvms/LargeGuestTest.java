package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import lockstep.kvm.Kvm;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A guest that writes all of its memory and makes no exit meanwhile, in a pair: keys typed at it
 * can only be placed by state-syncs, with what it has written. This process has a heap of 1 GiB,
 * and both sides in it.
 */
@KvmRequired
class LargeGuestTest {
  private static final int IMAGE_BYTES = 1 << 20;
  private static final long LIMIT_SECONDS = 900;
  private static final long KEY_MILLIS = 400;

  @TempDir private Path directory = Path.of("");

  @Test
  void itsMemoryGoesThroughTheLog() throws Exception {
    runs(768);
  }

  @Test
  @Tag("long")
  void fourTimesTheHeapGoesThroughTheLog() throws Exception {
    runs(4096);
  }

  private void runs(int memoryMib) throws Exception {
    Guest small = Guests.find("memory").orElseThrow();
    Guest large =
        new Guest(
            small.name(),
            small.purpose(),
            small.resource(),
            small.format(),
            memoryMib,
            small.consoleInput(),
            small.expectedOutput(),
            small.exitCode());
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(directory.resolve("unused.img"), IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, large, "", image)) {
      LiveSide primary = pair.primary();
      CompletableFuture<VmEnd> over = primary.vm().over();
      byte[] key = "x".getBytes(StandardCharsets.US_ASCII);
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
      while (!over.isDone()) {
        assertTrue(System.nanoTime() < deadline, () -> primary.notes().toString());
        // One that the UART has no room for is not taken, and does not matter.
        boolean unused =
            primary.vm().queue().offer(new ExternalInput.ConsoleBytes(Bytes.copyOf(key)));
        Thread.sleep(KEY_MILLIS);
      }
      assertEquals(new VmEnd.Guest(new RunResult.ExitPort(0), 0), over.get());
      assertTrue(large.passes(primary.console(), 0), primary.console());
      assertEquals(
          "Elsewhere[reason=the guest has ended at the primary]",
          pair.backup().vm().over().get(LIMIT_SECONDS, TimeUnit.SECONDS).toString(),
          () -> pair.backup().notes().toString());
    }
  }
}
