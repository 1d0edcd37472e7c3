package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
 * KVM with equal digests, and the other way round. The guests are all freestanding ones, with what
 * is rewritten in a kernel's text rewritten in both.
 */
@Tag("lab")
@KvmRequired
final class CrossKvmTest {
  private static final Duration TIMEOUT = Duration.ofMinutes(8);

  /** What a recording in the lab prints around a log. */
  private static final Pattern CARRIED = Pattern.compile("(?s)<<< (\\w+)\n(.*?)\n>>>");

  @TempDir private Path directory = Path.of("");

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
      try (ConsoleSession session =
          ConsoleSession.of("record", log.toString(), "--guest", guest.name())) {
        session.typeRaw(guest.consoleInput());
        assertEquals(guest.exitCode(), session.exitCode(), session.transcript());
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
    for (Guest guest : Guests.all()) {
      script
          .append("printf '%s' | ".formatted(guest.consoleInput().replace("\r", "\\r")))
          .append("lockstep record NAME.log --guest NAME\n".replace("NAME", guest.name()))
          .append(
              "echo; echo '<<< NAME'; base64 NAME.log; echo '>>>'\n".replace("NAME", guest.name()));
    }
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
  }

  private static LabResult lab(LabJob job) throws Exception {
    return HostLab.prepare(Path.of(""))
        .run(job.withTimeout(TIMEOUT), OutputStream.nullOutputStream());
  }
}
