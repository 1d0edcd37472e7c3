package lockstep.storage;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** Names a disk, as users write it. */
public sealed interface DiskSpec {
  /** {@code file:PATH}, a raw image. */
  record File(Path path) implements DiskSpec {}

  /**
   * Reads a disk's name.
   *
   * @throws IllegalArgumentException when it is none; one line that says what would be
   */
  static DiskSpec parse(String text) {
    int colon = text.indexOf(':');
    String kind = colon < 0 ? "" : text.substring(0, colon);
    String rest = text.substring(colon + 1);
    if (!kind.equals("file") || rest.isEmpty()) {
      throw new IllegalArgumentException("'" + text + "' is no disk; give file:PATH");
    }
    try {
      return new File(Path.of(rest));
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException("'" + rest + "' is no path", e);
    }
  }
}
