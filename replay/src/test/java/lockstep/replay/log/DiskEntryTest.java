package lockstep.replay.log;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;

/** Completions of disk requests in the log. */
class DiskEntryTest {
  private static byte[] encoded(DiskCompletion completion) {
    EntryEncoder encoder = new EntryEncoder();
    encoder.entry(new LogEntry.Input(completion));
    return Arrays.copyOf(encoder.bytes(), encoder.length());
  }

  private static LogEntry decoded(byte[] bytes) {
    EntryDecoder decoder = new EntryDecoder();
    decoder.reset(bytes, 0, bytes.length);
    return decoder.entry();
  }

  @Test
  void everyCompletionComesBackAsItWasWritten() {
    byte[] noise = new byte[BlockRequest.MAX_TRANSFER_BYTES];
    new Random(1).nextBytes(noise);
    byte[] reason = new byte[DiskCompletion.MAX_REASON_BYTES];
    for (DiskCompletion completion :
        new DiskCompletion[] {
          new DiskCompletion(0, 0, DiskStatus.DONE, Bytes.empty()),
          new DiskCompletion(0, Long.MAX_VALUE, DiskStatus.DONE, Bytes.copyOf(noise)),
          new DiskCompletion(0, 1, DiskStatus.FAILED, Bytes.copyOf(reason)),
          new DiskCompletion(7, 2, DiskStatus.FENCED, Bytes.copyOf(reason))
        }) {
      assertEquals(new LogEntry.Input(completion), decoded(encoded(completion)));
    }
  }

  @Test
  void theBytesStayWhatTheyAre() {
    // Input, disk 5, failed, number 300 as seven bits a byte, no data.
    byte[] bytes = encoded(new DiskCompletion(5, 300, DiskStatus.FAILED, Bytes.empty()));
    assertEquals("03040501ac0200", HexFormat.of().formatHex(bytes));
  }

  @Test
  void whatCannotBeIsRefused() {
    HexFormat hex = HexFormat.of();
    for (String bytes :
        new String[] {
          "03040003000100", "0304", "0304000000ffffff7f", "030400020001", "03040801ac0200"
        }) {
      assertThrows(IllegalArgumentException.class, () -> decoded(hex.parseHex(bytes)), bytes);
    }
  }
}
