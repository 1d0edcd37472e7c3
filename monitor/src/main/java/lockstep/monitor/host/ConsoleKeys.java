package lockstep.monitor.host;

/**
 * Finds the keys that are meant for the monitor in what is typed: Ctrl-A x leaves, Ctrl-A s writes
 * a snapshot, Ctrl-A h shows help, Ctrl-A Ctrl-A sends one Ctrl-A. Ctrl-A and any other key is left
 * out, so that a slip does nothing. A state machine without a thread.
 */
public final class ConsoleKeys {
  /** Ctrl-A. */
  static final byte PREFIX = 1;

  /** What Ctrl-A h shows. */
  public static final String HELP =
      """
      Ctrl-A x       leave: stop the guest and end
      Ctrl-A s       write the snapshot that run --snapshot names, and continue
      Ctrl-A h       this help
      Ctrl-A Ctrl-A  send Ctrl-A to the guest
      """;

  private final Runnable leave;
  private final Runnable snapshot;
  private final Runnable help;
  private boolean prefixed;

  /** What is called from {@link #filter} for each key. */
  public ConsoleKeys(Runnable leave, Runnable snapshot, Runnable help) {
    this.leave = leave;
    this.snapshot = snapshot;
    this.help = help;
  }

  /**
   * Takes the monitor's keys out of what was typed.
   *
   * @param keys the bytes, changed in place
   * @param length how many there are
   * @return how many are left for the guest, from the front of {@code keys}
   */
  public int filter(byte[] keys, int length) {
    int kept = 0;
    for (int i = 0; i < length; i++) {
      byte key = keys[i];
      if (!prefixed) {
        if (key == PREFIX) {
          prefixed = true;
        } else {
          keys[kept++] = key;
        }
        continue;
      }
      prefixed = false;
      switch (key) {
        case PREFIX -> keys[kept++] = PREFIX;
        case 'x', 'X' -> leave.run();
        case 's', 'S' -> snapshot.run();
        case 'h', 'H', '?' -> help.run();
        default -> {
          // Not a key of ours: nothing happens.
        }
      }
    }
    return kept;
  }
}
