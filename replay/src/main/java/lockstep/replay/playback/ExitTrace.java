package lockstep.replay.playback;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import lockstep.monitor.input.InputSource.GuestExit;

/** The last guest exits, for reports. Adding one does not allocate. */
final class ExitTrace {
  /** As many as fit on a screen beside the registers. */
  private static final int KEPT = 16;

  private final GuestExit[] kinds = new GuestExit[KEPT];
  private final long[] addresses = new long[KEPT];
  private final int[] sizes = new int[KEPT];
  private final long[] data = new long[KEPT];
  private long count;

  void add(GuestExit exit, long address, int sizeBytes, long value) {
    int slot = (int) (count++ % KEPT);
    kinds[slot] = exit;
    addresses[slot] = address;
    sizes[slot] = sizeBytes;
    data[slot] = value;
  }

  /**
   * Oldest first.
   *
   * @param exits the number of the last one
   */
  List<String> lines(long exits) {
    List<String> lines = new ArrayList<>();
    for (long i = Math.max(0, count - KEPT); i < count; i++) {
      int slot = (int) (i % KEPT);
      lines.add(
          String.format(
              Locale.ROOT,
              "%d: %s 0x%x, %d bytes, data 0x%x",
              exits - (count - 1 - i),
              kinds[slot],
              addresses[slot],
              sizes[slot],
              data[slot]));
    }
    return lines;
  }
}
