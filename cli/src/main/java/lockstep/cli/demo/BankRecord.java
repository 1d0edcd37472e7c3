package lockstep.cli.demo;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the world outside has seen of the bank guest, from both hosts, and whether it is what one
 * machine that never died would have shown.
 */
public final class BankRecord {
  private static final Pattern TRANSACTION = Pattern.compile("bank: (\\d+)\\r?\\n");
  private static final int SLOTS = 256;
  private static final int BLOCK_BYTES = 4096;

  private final byte[] before;
  private final byte[] after;
  private final int goesOnAt;
  private final int slots;

  /**
   * @param before what the primary showed
   * @param after what the survivor showed
   * @param goesOnAt which byte of the guest's console the survivor's first one is
   */
  public BankRecord(byte[] before, byte[] after, int goesOnAt) {
    this(before, after, goesOnAt, SLOTS);
  }

  /**
   * The same for a bank that has not as many slots as usual.
   *
   * @param slots its option slots=
   */
  public BankRecord(byte[] before, byte[] after, int goesOnAt, int slots) {
    this.slots = slots;
    this.before = before;
    this.after = after;
    this.goesOnAt = goesOnAt;
  }

  /** Bytes that both have shown: the primary had let them out and not yet said so. */
  public int shownTwice() {
    return before.length - goesOnAt;
  }

  /** What is wrong with the consoles; empty if nothing is. */
  public Optional<String> consoleComplaint() {
    if (goesOnAt > before.length) {
      return Optional.of(
          "bytes %d to %d of the console were shown by nobody"
              .formatted(before.length, goesOnAt - 1));
    }
    int twice = Math.min(shownTwice(), after.length);
    if (!Arrays.equals(before, goesOnAt, goesOnAt + twice, after, 0, twice)) {
      return Optional.of("the survivor showed something else than the primary had shown");
    }
    long expected = 1;
    Matcher matcher = TRANSACTION.matcher(whole());
    while (matcher.find()) {
      long number = Long.parseLong(matcher.group(1));
      if (number != expected) {
        return Optional.of("transaction %d follows %d".formatted(number, expected - 1));
      }
      expected++;
    }
    return expected == 1 ? Optional.of("there are no transactions") : Optional.empty();
  }

  /** The console as one machine's. */
  private String whole() {
    return new String(before, 0, Math.min(goesOnAt, before.length), ISO_8859_1)
        + new String(after, ISO_8859_1);
  }

  /** The last transaction that somebody has seen. */
  public long last() {
    return last(whole());
  }

  /** The last one before the kill. */
  public long lastBefore() {
    return last(new String(before, ISO_8859_1));
  }

  private static long last(String text) {
    long last = 0;
    Matcher matcher = TRANSACTION.matcher(text);
    while (matcher.find()) {
      last = Long.parseLong(matcher.group(1));
    }
    return last;
  }

  /** What is wrong with the disk, on which every number seen must be; empty if nothing is. */
  public Optional<String> diskComplaint(Path image) throws IOException {
    long last = last();
    try (FileChannel disk = FileChannel.open(image, StandardOpenOption.READ)) {
      // A slot may hold the transaction after the last one seen, which was on its way.
      for (long n = Math.max(1, last - slots + 2); n <= last; n++) {
        ByteBuffer block = ByteBuffer.allocate(BLOCK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        long at = n % slots * BLOCK_BYTES;
        while (block.hasRemaining() && disk.read(block, at + block.position()) >= 0) {
          // Goes on.
        }
        for (int word = 0; word < BLOCK_BYTES / Long.BYTES; word++) {
          if (block.getLong(word * Long.BYTES) != (n << 32 | word)) {
            return Optional.of("transaction %d was shown and is not on the disk".formatted(n));
          }
        }
      }
    }
    return Optional.empty();
  }
}
