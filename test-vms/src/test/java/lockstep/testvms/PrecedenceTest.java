package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import lockstep.kvm.Kvm;
import lockstep.sys.Posix;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The threads between a guest and the world go before guests, and no guest before another. */
@KvmRequired
class PrecedenceTest {
  private static final int IMAGE_BYTES = 1 << 20;
  private static final long LIMIT_SECONDS = 60;

  /** Where the nice value stands in /proc/PID/stat behind the name; see proc(5). */
  private static final int NICE_FIELD = 16;

  @TempDir private Path directory = Path.of("");

  /** Nice values of this process's threads of a name. */
  private static List<Integer> nice(String name) throws IOException {
    List<Integer> found = new ArrayList<>();
    try (Stream<Path> tasks = Files.list(Path.of("/proc/self/task"))) {
      for (Path task : tasks.toList()) {
        try {
          String stat = Files.readString(task.resolve("stat"));
          int end = stat.lastIndexOf(')');
          if (stat.substring(stat.indexOf('(') + 1, end).equals(name)) {
            found.add(Integer.parseInt(stat.substring(end + 2).split(" ", -1)[NICE_FIELD]));
          }
        } catch (NoSuchFileException e) {
          // It has ended meanwhile.
        }
      }
    }
    return found;
  }

  @Test
  void guestsOfBothSidesHaveTheProcessOwnNiceValue() throws Exception {
    try (Kvm kvm = Kvm.open();
        ImageFile image = new ImageFile(directory.resolve("disk.img"), IMAGE_BYTES);
        LivePair pair = LivePair.form(kvm, image)) {
      pair.primary().await(shown -> shown.contains("bank: 2"), "it stands", LIMIT_SECONDS);
      assertEquals(List.of(Posix.nice(), Posix.nice()), nice("vcpu-0"));
    }
  }
}
