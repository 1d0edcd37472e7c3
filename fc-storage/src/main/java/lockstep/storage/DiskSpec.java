package lockstep.storage;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import lockstep.storage.iscsi.IscsiAddress;

/** Names a disk, as users write it. */
public sealed interface DiskSpec {
  /** {@code file:PATH}, a raw image. */
  record File(Path path) implements DiskSpec {}

  /** {@code dev:PATH}, a block device. */
  record Device(Path path) implements DiskSpec {}

  /** {@code iscsi://HOST[:PORT]/TARGET/LUN}, a unit of an iSCSI target. */
  record Iscsi(IscsiAddress address) implements DiskSpec {}

  /**
   * Reads a disk's name.
   *
   * @throws IllegalArgumentException when it is none; one line that says what would be
   */
  static DiskSpec parse(String text) {
    int colon = text.indexOf(':');
    String kind = colon < 0 ? "" : text.substring(0, colon);
    String rest = text.substring(colon + 1);
    if (rest.isEmpty()) {
      throw noDisk(text);
    }
    return switch (kind) {
      case "file" -> new File(path(rest));
      case "dev" -> new Device(path(rest));
      case "iscsi" -> new Iscsi(IscsiAddress.parse(rest));
      default -> throw noDisk(text);
    };
  }

  private static IllegalArgumentException noDisk(String text) {
    return new IllegalArgumentException(
        "'"
            + text
            + "' is no disk; give file:PATH, dev:/dev/NAME or iscsi://HOST[:PORT]/TARGET/LUN");
  }

  private static Path path(String text) {
    try {
      return Path.of(text);
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException("'" + text + "' is no path", e);
    }
  }
}
