package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.storage.FileDisk;
import lockstep.testing.KvmRequired;
import lockstep.testvms.lab.HostLab;
import lockstep.testvms.lab.LabJob;
import lockstep.testvms.lab.LabResult;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A log says nothing of the KVM that it was written on: recorded here it replays on the lab's stock
 * KVM with equal digests, and the other way round. The guests are all freestanding ones, each with
 * a disk; what is rewritten in a kernel's text is rewritten in both.
 */
@Tag("lab")
@KvmRequired
final class CrossKvmTest {
  /** Three minutes on a host with other work, most of it a JVM starting for each guest. */
  private static final Duration TIMEOUT = Duration.ofMinutes(15);

  private static final long LIMIT_SECONDS = 120;

  /** What a recording in the lab prints around a log. */
  private static final Pattern CARRIED = Pattern.compile("(?s)<<< (\\w+)\n(.*?)\n>>>");

  private static final long DISK_BYTES = 1 << 20;

  /** Goes into the lab. */
  @TempDir private Path directory = Path.of("");

  @TempDir private Path outside = Path.of("");

  @BeforeAll
  static void theCpusAreOfOneVendor() throws Exception {
    assumeTrue(
        Files.readString(Path.of("/proc/cpuinfo")).contains("AuthenticAMD"),
        "the lab's CPU is an AMD, this host's is not: its logs are refused");
  }

  private static List<String> names() {
    return Guests.all().stream().map(Guest::name).toList();
  }

  @Test
  void logsOfThisKvmReplayOnStockKvm() throws Exception {
    for (Guest guest : Guests.all()) {
      Path log = directory.resolve(guest.name() + ".log");
      Path disk = outside.resolve(guest.name() + ".img");
      FileDisk.create(disk, DISK_BYTES);
      try (ConsoleSession session =
          ConsoleSession.of(
              "record", log.toString(), "--guest", guest.name(), "--disk", "file:" + disk)) {
        if (!guest.consoleInput().isEmpty()) {
          session.await(ready(guest), LIMIT_SECONDS);
          session.typeRaw(guest.consoleInput());
        }
        assertEquals(guest.exitCode(), session.exitCode(), session.transcript());
        assertFalse(session.transcript().contains("no disk"), session.transcript());
      }
    }
    List<Path> classPath = new ArrayList<>(LabJob.ownClassPath());
    classPath.add(directory);
    String script =
        """
        for guest in %s; do
          echo "=== $guest"
          lockstep replay --verify $(find /lab -name $guest.log) || failed=1
        done
        exit $failed
        """
            .formatted(String.join(" ", names()));
    LabResult result = lab(LabJob.of(classPath, "sh", "-c", script));
    assertEquals(0, result.exitCode(), result::console);
    assertEquals(names().size(), result.console().split("equal to the recording: ", -1).length - 1);
  }

  @Test
  void logsOfStockKvmReplayOnThisKvm() throws Exception {
    StringBuilder script = new StringBuilder("cd /tmp\n");
    Guests.all().forEach(guest -> script.append(recording(guest)));
    LabResult result = lab(LabJob.of(LabJob.ownClassPath(), "sh", "-c", script.toString()));
    Matcher carried = CARRIED.matcher(result.console());
    List<String> replayed = new ArrayList<>();
    while (carried.find()) {
      Path log = directory.resolve(carried.group(1) + ".lab.log");
      Files.write(log, Base64.getMimeDecoder().decode(carried.group(2)));
      try (ConsoleSession session = ConsoleSession.of("replay", "--verify", log.toString())) {
        assertEquals(0, session.exitCode(), session::transcript);
        System.out.println(carried.group(1) + " of the lab: " + session.transcript());
        assertTrue(session.transcript().contains("equal to the recording: "), session::transcript);
      }
      replayed.add(carried.group(1));
    }
    assertEquals(names(), replayed, result::console);
    assertFalse(result.console().contains("no disk"), result::console);
  }

  /** What a guest shows when its serial port is set up; what is typed before may be lost. */
  private static String ready(Guest guest) {
    return guest.name() + ": ";
  }

  /** Records a guest in the lab and prints the log. */
  private static String recording(Guest guest) {
    String record =
        """
        truncate -s SIZE NAME.img
        lockstep record NAME.log --guest NAME --disk file:NAME.img""";
    String typed =
        """
         < typed > shown &
        exec 3> typed
        until grep -q 'READY' shown; do sleep 1; done
        printf 'INPUT' >&3
        exec 3>&-
        wait
        cat shown
        """;
    String print =
        """

        echo '<<< NAME'
        base64 NAME.log
        echo '>>>'
        """;
    String script =
        guest.consoleInput().isEmpty()
            ? record + " < /dev/null\n" + print
            : "rm -f typed shown; mkfifo typed\n: > shown\n" + record + typed + print;
    return script
        .replace("NAME", guest.name())
        .replace("SIZE", Long.toString(DISK_BYTES))
        .replace("READY", ready(guest))
        .replace("INPUT", guest.consoleInput().replace("\r", "\\r"));
  }

  private static LabResult lab(LabJob job) throws Exception {
    return HostLab.prepare(Path.of(""))
        .run(job.withTimeout(TIMEOUT), OutputStream.nullOutputStream());
  }
}
