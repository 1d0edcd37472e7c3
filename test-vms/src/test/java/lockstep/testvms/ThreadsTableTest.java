package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import lockstep.cli.process.PairSide;
import lockstep.storage.FileDisk;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The table of threads in docs/architecture.md against those of a pair that runs. */
@KvmRequired
class ThreadsTableTest {
  private static final long LIMIT_SECONDS = 120;

  /** What the kernel keeps of a thread's name. */
  private static final int COMM_CHARS = 15;

  private static final Pattern ROW = Pattern.compile("^\\| (`[^|]+`) \\|", Pattern.MULTILINE);
  private static final Pattern NAME = Pattern.compile("`([^`]+)`");

  /** HotSpot's own, those of virtual threads, and the kernel's: the text below the table. */
  private static final Pattern OTHERS =
      Pattern.compile(
          "java|VM .*|GC .*|G1 .*|C[12] Compiler.*|Signal Dispatch|Service Thread|Monitor Deflati"
              + "|Finalizer|Reference Handl|Common-Cleaner|Notification Th|Attach Listener|Cleaner-.*"
              + "|process reaper|Sweeper thread|DestroyJavaVM|StringDedup.*"
              + "|ForkJoinPool-1-.*|VirtualThread-u.*|MasterPoller.*|Read-Poller.*|Write-Poller.*"
              + "|iou-.*|kvm-.*");

  @TempDir private Path directory = Path.of("");

  private static Set<String> documented() throws IOException {
    Path page = Path.of(System.getProperty("lockstep.home"), "docs", "architecture.md");
    String text = Files.readString(page);
    String table = text.substring(text.indexOf("| thread | in |"));
    table = table.substring(0, table.indexOf("\n\n"));
    Set<String> names = new TreeSet<>();
    Matcher row = ROW.matcher(table);
    while (row.find()) {
      Matcher name = NAME.matcher(row.group(1));
      while (name.find()) {
        names.add(comm(name.group(1)));
      }
    }
    return names;
  }

  private static String comm(String name) {
    return name.substring(0, Math.min(COMM_CHARS, name.length()));
  }

  private static Set<String> running(PairSide side) throws IOException {
    Set<String> names = new TreeSet<>();
    try (Stream<Path> tasks =
        Files.list(Path.of("/proc", String.valueOf(side.process().pid()), "task"))) {
      for (Path task : tasks.toList()) {
        try {
          names.add(Files.readString(task.resolve("comm")).strip());
        } catch (IOException e) {
          // It has just ended.
        }
      }
    }
    names.removeIf(name -> OTHERS.matcher(name).matches());
    return names;
  }

  @Test
  void everyThreadOfAPairIsInTheTable() throws Exception {
    Path image = directory.resolve("disk.img");
    FileDisk.create(image, 1 << 20);
    Set<String> documented = documented();
    assertTrue(documented.contains("vcpu-0"), documented.toString());
    String name = BankSides.unique("threads");
    try (PairSide backup = BankSides.backup(name + "-b", image)) {
      String at = BankSides.address(backup);
      try (PairSide primary = BankSides.primary(name, image, at)) {
        assertTrue(primary.awaitConsole("bank: 1\r\n", 0, LIMIT_SECONDS), BankSides.said(primary));
        BankSides.awaitState(name, "PROTECTED", primary, backup);
        for (PairSide side : new PairSide[] {primary, backup}) {
          Set<String> seen = running(side);
          for (String must :
              Set.of("vcpu-0", "kick-timer", "console-gate", "disk-gate", "lease-alive")) {
            assertTrue(seen.contains(must), must + " is not in " + seen);
          }
          Set<String> unknown = new TreeSet<>(seen);
          unknown.removeAll(documented);
          assertEquals(Set.of(), unknown, "threads that docs/architecture.md does not name");
          assertTrue(!seen.contains("console-out"), "a pair's output leaves by console-gate");
        }
      }
    }
  }
}
