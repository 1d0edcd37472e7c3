package lockstep.testvms;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import lockstep.cli.Main;

/** {@code lockstep} with one thread more, which fills the heap once a file is there. */
final class FullHeap {
  private static final int PIECE_BYTES = 1 << 20;
  private static final long POLL_MILLIS = 10;

  private FullHeap() {}

  /**
   * @param arguments the file, then those of the command
   */
  public static void main(String[] arguments) {
    Path go = Path.of(arguments[0]);
    Thread.ofPlatform().daemon().name("fills").start(() -> fill(go));
    String[] rest = new String[arguments.length - 1];
    System.arraycopy(arguments, 1, rest, 0, rest.length);
    Main.main(rest);
  }

  private static void fill(Path go) {
    try {
      while (!Files.exists(go)) {
        Thread.sleep(POLL_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    List<byte[]> full = new ArrayList<>();
    while (full.size() < Integer.MAX_VALUE) {
      full.add(new byte[PIECE_BYTES]);
    }
  }
}
