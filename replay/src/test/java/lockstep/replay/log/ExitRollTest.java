package lockstep.replay.log;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.input.InputSource.GuestExit;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;

/** What the rolling digest tells apart: whatever it does not is found seconds later. */
class ExitRollTest {
  private static BlockRequest write(long offset, int... content) {
    byte[] data = new byte[512];
    for (int i = 0; i < content.length; i++) {
      data[i] = (byte) content[i];
    }
    return new BlockRequest.Write(7, offset, Bytes.copyOf(data), false);
  }

  private static int digest(Consumer<ExitRoll> what) {
    ExitRoll roll = new ExitRoll();
    roll.add(GuestExit.MMIO_WRITE, 0xe000_3000L, 2, 0);
    what.accept(roll);
    return roll.digest();
  }

  @Test
  void aWrongPayloadPlaceOrDiskGivesAnotherDigest() {
    Set<Integer> digests = new HashSet<>();
    List<Consumer<ExitRoll>> all =
        List.of(
            roll -> {},
            roll -> roll.add(0, write(0, 1)),
            roll -> roll.add(0, write(0, 2)),
            roll -> roll.add(0, write(512, 1)),
            roll -> roll.add(1, write(0, 1)),
            roll -> roll.add(0, new BlockRequest.Read(7, 0, 512)),
            roll -> roll.add(0, new BlockRequest.Read(7, 0, 1024)),
            roll -> roll.add(0, new BlockRequest.Discard(7, 0, 512)),
            roll -> roll.add(0, new BlockRequest.Flush(7)));
    all.forEach(one -> digests.add(digest(one)));
    assertEquals(all.size(), digests.size());
  }

  @Test
  void equalRequestsGiveEqualDigestsWhateverTheirNumber() {
    BlockRequest other = new BlockRequest.Write(8, 0, Bytes.copyOf(new byte[512]), true);
    assertEquals(digest(roll -> roll.add(0, write(0))), digest(roll -> roll.add(0, other)));
    assertNotEquals(digest(roll -> roll.add(0, write(0))), digest(roll -> {}));
  }
}
