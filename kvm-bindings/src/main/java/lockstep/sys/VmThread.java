package lockstep.sys;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;

/**
 * HotSpot's thread of its own work: it stops all Java threads (a safepoint) and, with the serial
 * collector, collects garbage. While it waits for a CPU, so do they all, whatever their priority.
 */
final class VmThread {
  private static final Path TASKS = Path.of("/proc/self/task");
  private static final String NAME = "VM Thread";

  private VmThread() {}

  /** Its thread id in the kernel, which it keeps; empty where no thread has its name. */
  static OptionalInt id() {
    return Known.ID;
  }

  /** Looked for once, when it is first wanted. */
  private static final class Known {
    static final OptionalInt ID = find();
  }

  private static OptionalInt find() {
    try (DirectoryStream<Path> tasks = Files.newDirectoryStream(TASKS)) {
      for (Path task : tasks) {
        if (name(task).equals(NAME)) {
          return OptionalInt.of(Integer.parseInt(task.getFileName().toString()));
        }
      }
      return OptionalInt.empty();
    } catch (IOException e) {
      return OptionalInt.empty();
    }
  }

  private static String name(Path task) {
    try {
      return Files.readString(task.resolve("comm")).strip();
    } catch (IOException e) {
      return ""; // It has ended.
    }
  }
}
