package lockstep.testvms.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import lockstep.cli.demo.BankRecord;
import lockstep.cli.process.PairSide;
import lockstep.testvms.ConsoleSession;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A pair whose image is on an NFS export of a third host. Each of the two has a page cache of its
 * own: what is in one of them only is lost with that host, and what is in the other may be old.
 */
@Tag("lab")
final class NfsPairInLabTest {
  private static final Pattern EXPORTED = Pattern.compile("the export is up");
  private static final Pattern MADE = Pattern.compile("made (\\d+) bytes");
  private static final Duration SERVER_LIMIT = Duration.ofMinutes(25);
  private static final int SERVER_MEMORY_MIB = 768;
  private static final long DISK_BYTES = 1L << 20;
  private static final int SLOTS = 32;

  /** More than there are slots, so that each block has been written before and after. */
  private static final int BEFORE = SLOTS + 8;

  private static final int AFTER = SLOTS + 8;

  @TempDir private Path directory = Path.of("");
  private Path identities = Path.of("");

  @BeforeAll
  static void thereIsLab() throws Exception {
    Optional<String> complaint = HostLab.complaint(Path.of(""));
    assumeTrue(complaint.isEmpty(), () -> complaint.orElse(""));
  }

  @BeforeEach
  void start() throws Exception {
    identities = directory.resolve("identities");
    try (ConsoleSession init = ConsoleSession.of("pair", "init", identities.toString())) {
      assertEquals(0, init.exitCode(), init.transcript());
    }
  }

  @AfterEach
  void stop() throws Exception {
    try (var left = Files.list(directory)) {
      assertTrue(left.count() <= 2, "more is left than the identities and the image");
    }
  }

  /**
   * The guest never flushes, so all that it has printed is on the disk by completed writes alone;
   * and the survivor's host has read the whole image before, and is told to believe what it
   * remembers.
   */
  @Test
  void powerOffLosesNoCompletedWriteAndTheSurvivorReadsNothingOld() throws Exception {
    HostLab lab = HostLab.prepare(Path.of(""));
    LabNetwork network = LabNetwork.nfsServer("server");
    String serve = "exec sh $(find /lab -name nfs-serve)";
    LabJob job =
        new LabJob(
            List.of("sh", "-c", serve),
            LabJob.ownClassPath(),
            "",
            SERVER_LIMIT,
            SERVER_MEMORY_MIB,
            1);
    try (LabHost machine = lab.host(job, network);
        PairSide server = new PairSide("server", machine.command(), line -> {})) {
      awaitNote(server, EXPORTED);
      server.type("make " + DISK_BYTES + "\n");
      awaitNote(server, MADE);
      try (LabPair pair = new LabPair(lab, shared(network.served().orElseThrow()), identities)) {
        pair.awaitTransaction(BEFORE);
        pair.one().side().kill();
        MatchResult goesOn = pair.awaitNote(pair.two(), LabPair.GOES_ON);
        int at = Integer.parseInt(goesOn.group(2));
        byte[] before = pair.one().side().console();
        PairSide survivor = pair.two().side();
        long last = new BankRecord(before, survivor.console(), at, SLOTS).last();
        String later = "bank: " + (last + AFTER) + "\r\n";
        assertTrue(survivor.awaitConsole(later, 0, LabPair.LIMIT_SECONDS), pair::said);
        survivor.type("q");
        assertEquals(OptionalInt.of(0), pair.awaitEnd(pair.two()), pair::said);
        BankRecord record = new BankRecord(before, survivor.console(), at, SLOTS);
        assertEquals(Optional.empty(), record.consoleComplaint(), pair::said);
        assertEquals(Optional.empty(), record.diskComplaint(image(server)), pair::said);
      }
    }
  }

  /**
   * The mount believes its cache for an hour and asks the server nothing when a file is opened;
   * what it remembers is the image before the guest's first write.
   */
  private static LabPair.Shared shared(int port) {
    String mount =
        """
        modprobe nfsv4 && mkdir -p /shared &&
        mount -t nfs4 -o vers=4.2,port=%d,addr=%s,clientaddr=%s,sec=sys,nocto,actimeo=3600 \\
          %s:/ /shared &&
        cat /shared/disk.img > /dev/null || exit 99
        """
            .formatted(
                port, LabNetwork.THIS_MACHINE, LabNetwork.ADDRESS_OUT, LabNetwork.THIS_MACHINE);
    String options = "flush=0 check=1 slots=" + SLOTS;
    return new LabPair.Shared("file:/shared/disk.img", mount, options);
  }

  private static void awaitNote(PairSide server, Pattern pattern) throws InterruptedException {
    assertTrue(
        server.awaitNote(pattern, LabPair.LIMIT_SECONDS).isPresent(),
        () -> "no '" + pattern + "': " + server.notes());
  }

  /** What the server has, which ends with this. */
  private Path image(PairSide server) throws IOException, InterruptedException {
    server.type("show\n");
    assertTrue(server.await(LabPair.LIMIT_SECONDS).isPresent(), () -> "hangs: " + server.notes());
    Path image = directory.resolve("disk.img");
    try (InputStream packed = new GZIPInputStream(new ByteArrayInputStream(server.console()))) {
      Files.copy(packed, image);
    }
    assertEquals(DISK_BYTES, Files.size(image));
    return image;
  }
}
