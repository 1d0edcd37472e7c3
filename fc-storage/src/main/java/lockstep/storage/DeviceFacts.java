package lockstep.storage;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What sysfs says of a block device; Documentation/ABI/stable/sysfs-block. */
final class DeviceFacts {
  private DeviceFacts() {}

  /** Whether it takes discards; what cannot be read is a no. */
  static boolean canDiscard(Path device) throws IOException {
    Path here = directory(device);
    // A partition has its queue one up.
    return Long.parseLong(read(here.resolve("queue/discard_max_bytes"), "-1")) > 0
        || Long.parseLong(read(here.resolve("../queue/discard_max_bytes"), "-1")) > 0;
  }

  /** Whether it is a part of another device. */
  static boolean isPartition(Path device) throws IOException {
    return Files.exists(directory(device).resolve("partition"));
  }

  /** Whether it is a map of the device mapper: multipath, LVM, encryption. */
  static boolean isMapped(Path device) throws IOException {
    return Files.exists(directory(device).resolve("dm"));
  }

  private static Path directory(Path device) throws IOException {
    long number = (Long) Files.getAttribute(device, "unix:rdev");
    // As gnu_dev_major and gnu_dev_minor take it apart.
    long major = (number >>> 8 & 0xfff) | (number >>> 32 & ~0xfffL);
    long minor = (number & 0xff) | (number >>> 12 & ~0xffL);
    Path link = Path.of("/sys/dev/block/" + major + ":" + minor);
    return Files.exists(link) ? link.toRealPath() : link;
  }

  private static String read(Path file, String otherwise) {
    try {
      return Files.readString(file).strip();
    } catch (IOException e) {
      return otherwise;
    }
  }
}
