package lockstep.storage;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** Names a disk, as users write it. */
public sealed interface DiskSpec {
  /** {@code file:PATH}, a raw image. */
  record File(Path path) implements DiskSpec {}

  /** {@code dev:PATH}, a block device. */
  record Device(Path path) implements DiskSpec {}

  /**
   * Reads a disk's name.
   *
   * @throws IllegalArgumentException when it is none; one line that says what would be
   */
  static DiskSpec parse(String text) {
    int colon = text.indexOf(':');
    String kind = colon < 0 ? "" : text.substring(0, colon);
    String rest = text.substring(colon + 1);
    boolean file = kind.equals("file");
    if (rest.isEmpty() || !(file || kind.equals("dev"))) {
      throw new IllegalArgumentException(
          "'" + text + "' is no disk; give file:PATH or dev:/dev/NAME");
    }
    try {
      return file ? new File(Path.of(rest)) : new Device(Path.of(rest));
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException("'" + rest + "' is no path", e);
    }
  }
}
