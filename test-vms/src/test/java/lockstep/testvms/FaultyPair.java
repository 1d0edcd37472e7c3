package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import lockstep.cli.control.ControlClient;
import lockstep.cli.demo.BankRecord;
import lockstep.cli.process.PairSide;
import lockstep.storage.FileDisk;
import lockstep.testing.Tgtd;
import lockstep.testvms.TwoHosts.Host;

/**
 * A pair of real processes on two hosts that share a disk, running the bank under load, and a fault
 * that befalls them. Then: one side alone speaks, and the outside record is that of one machine
 * that never died.
 */
final class FaultyPair implements AutoCloseable {
  /** Which side the world hears from then on. */
  enum Survivor {
    PRIMARY,
    BACKUP,
    /** Nothing came of it. */
    PAIR
  }

  private static final Pattern LISTENING = Pattern.compile("listening on \\S+:(\\d+)");
  private static final Pattern GOES_ON = Pattern.compile("goes on at byte (\\d+)");
  private static final Pattern ALONE = Pattern.compile("goes on alone");
  private static final Pattern NO_ANSWER = Pattern.compile("no answer from the disk");
  private static final long DISK_BYTES = 4L << 20;

  /** Few, so that a block that is lost, old or written too late is read by the guest soon. */
  private static final int SLOTS = 8;

  private static final String BANK = "check=1 slots=" + SLOTS;

  /** Of the JVM's debug port, in the network of a host. */
  private static final int DEBUG_PORT = 5005;

  private static final String VCPU_THREAD = "vcpu-0";
  private static final int ENDED_BY_SIGKILL = 128 + 9;

  /** Two JVMs start, on a machine that may have much else to do. */
  private static final long START_SECONDS = 300;

  private static final long LIMIT_SECONDS = 120;

  /** Of the guest's console: several transactions. */
  private static final int MORE_BYTES = 100;

  private static final int TIMEOUT_MILLIS = 2_000;

  /**
   * How much later the last byte of the one that lost may be read here than the first of the one
   * that won: two threads of this process read them, on a machine that is busy.
   */
  private static final long READ_LATE_NANOS = 400_000_000L;

  /** A target can be held up, and restarted. */
  private static final Set<Fault> UNIT_NEEDED =
      EnumSet.of(
          Fault.TARGET_RESTARTED_BEFORE_PRIMARY_WAKES_UP,
          Fault.FAILOVER_GIVEN_UP_AND_PRIMARY_KILLED);

  private final Path directory;
  private final Path shared;
  private final Path away;
  private final Path image;
  private final TwoHosts hosts;
  private final Random random;
  private final Fault fault;

  /** For a pair whose disk is a unit of a target; its hosts are this one. */
  private final Optional<Tgtd> tgtd;

  private final PairSide backup;
  private final PairSide primary;
  private final String primaryName;
  private long faultNanos;

  /** Starts a pair for a fault; the bank has opened when this returns. */
  FaultyPair(Path directory, TwoHosts hosts, Random random, Fault fault) throws Exception {
    this.fault = fault;
    this.directory = directory;
    this.hosts = hosts;
    this.random = random;
    String number = String.valueOf(System.nanoTime());
    shared = Files.createDirectory(directory.resolve("shared-" + number));
    away = directory.resolve("away-" + number);
    image = shared.resolve("disk.img");
    FileDisk.create(image, DISK_BYTES);
    tgtd = UNIT_NEEDED.contains(fault) ? Optional.of(Tgtd.start(image)) : Optional.empty();
    primaryName = "fault-p-" + number;
    // The target listens on the loopback interface, which is not that of a host with a network.
    String address = tgtd.isPresent() ? "127.0.0.1" : hosts.address(Host.TWO);
    backup = side(Host.TWO, "backup", "fault-b-" + number, "--listen", address + ":0");
    try {
      String port = backup.awaitNote(LISTENING, START_SECONDS).orElseThrow(this::noBackup).group(1);
      primary =
          side(
              Host.ONE,
              "primary",
              primaryName,
              "--guest",
              "bank",
              "--append",
              BANK,
              "--backup",
              address + ":" + port,
              "--digest-interval",
              "100");
    } catch (Exception | AssertionError e) {
      backup.close();
      closeTarget();
      throw e;
    }
    assertTrue(primary.awaitConsole("bank: 1\r\n", 0, START_SECONDS), this::said);
  }

  private AssertionError noBackup() {
    return new AssertionError("the backup does not listen: " + backup.notes());
  }

  private PairSide side(Host host, String role, String name, String... more) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"));
    if (isErrorThrown()) {
      command.add(
          "-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,quiet=y,address=127.0.0.1:"
              + DEBUG_PORT);
      command.add("-XX:ErrorFile=/dev/null");
    }
    command.add("-Dfault.file=" + damageFile(role));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(FaultyMain.class.getName());
    command.addAll(List.of(role, "--name", name, "--insecure", "--disk", disk(role)));
    command.addAll(List.of("--failure-timeout", String.valueOf(TIMEOUT_MILLIS)));
    command.addAll(List.of(more));
    List<String> started = tgtd.isPresent() ? command : hosts.on(host, command);
    return new PairSide(name, started, line -> {});
  }

  private String disk(String role) {
    String initiator = "?initiator=iqn.2026-11.dev.lockstep.test:" + role;
    return tgtd.map(target -> "iscsi:" + target.address(1, initiator)).orElse("file:" + image);
  }

  private void closeTarget() throws IOException {
    if (tgtd.isPresent()) {
      tgtd.get().close();
    }
  }

  /** Beside the shared directory, which some faults take away. */
  private Path damageFile(String role) {
    return directory.resolve(shared.getFileName() + "-damage-" + role);
  }

  private String said() {
    StringBuilder text = new StringBuilder();
    for (PairSide side : new PairSide[] {primary, backup}) {
      side.notes()
          .forEach(note -> text.append("\n%.3f ".formatted(note.nanos() / 1e9) + note.text()));
    }
    return text.toString();
  }

  /** Has the fault happen, and sees to the end of it all. */
  FaultResults.Result suffer() throws Exception {
    try {
      primary.watchSilence();
      faultNanos = System.nanoTime();
      happen();
      Survivor survivor = survivor();
      switch (survivor) {
        case BACKUP -> backupGoesOn();
        case PRIMARY, PAIR -> primaryGoesOn(survivor);
      }
      long nanos =
          survivor == Survivor.BACKUP
              ? backup.firstByteNanos() - faultNanos
              : primary.longestSilenceNanos();
      return FaultResults.Result.recovered(fault, survivor, nanos / 1e6);
    } catch (AssertionError e) {
      throw new AssertionError(fault + ": " + e.getMessage() + said(), e);
    }
  }

  private void happen() throws Exception {
    switch (fault) {
      case PRIMARY_KILLED -> primary.kill();
      case BACKUP_KILLED -> backup.kill();
      case PRIMARY_STOPPED_FOR_A_WHILE -> {
        primary.signal("STOP");
        backup.awaitNote(GOES_ON, LIMIT_SECONDS);
        primary.signal("CONT");
      }
      case BACKUP_STOPPED_FOR_A_WHILE -> {
        backup.signal("STOP");
        primary.awaitNote(ALONE, LIMIT_SECONDS);
        backup.signal("CONT");
      }
      case BACKUP_STOPPED_BRIEFLY -> {
        backup.signal("STOP");
        pause(TIMEOUT_MILLIS / 3);
        backup.signal("CONT");
      }
      case CHANNEL_CUT -> {
        hosts.cut();
        // Put back before or after they have found out.
        pause(TIMEOUT_MILLIS * 2);
        hosts.heal();
      }
      case CHANNEL_CUT_BRIEFLY -> {
        hosts.cut();
        pause(TIMEOUT_MILLIS / 3);
        hosts.heal();
      }
      case CHANNEL_SLOW -> {
        hosts.slow(random.nextBoolean() ? "100kbit" : "1mbit");
        pause(TIMEOUT_MILLIS * 3 / 2);
        hosts.fast();
      }
      case DISK_GONE_AND_PRIMARY_KILLED -> {
        Files.move(shared, away);
        primary.kill();
        silentUntilTheDiskIsBack();
      }
      case DISK_GONE_AND_CHANNEL_CUT -> {
        Files.move(shared, away);
        hosts.cut();
        assertTrue(primary.awaitNote(NO_ANSWER, LIMIT_SECONDS).isPresent(), "it did not ask");
        int before = primary.consoleBytes();
        silentUntilTheDiskIsBack();
        assertEquals(before, primary.consoleBytes(), "it spoke without knowing");
      }
      case PRIMARY_TERMINATED -> primary.signal("TERM");
      case TARGET_RESTARTED_BEFORE_PRIMARY_WAKES_UP -> {
        primary.signal("STOP");
        backup.awaitNote(GOES_ON, LIMIT_SECONDS);
        tgtd.orElseThrow().kill();
        pause(1_000);
        tgtd.orElseThrow().restart();
        pause(1_000);
        primary.signal("CONT");
      }
      case FAILOVER_GIVEN_UP_AND_PRIMARY_KILLED -> {
        giveUpFailover();
        pause(1_000);
        faultNanos = System.nanoTime();
        primary.kill();
      }
      case PRIMARY_KVM_FAILS -> damage("primary", FaultyMain.Damage.KVM_FAILS);
      case BACKUP_KVM_FAILS -> damage("backup", FaultyMain.Damage.KVM_FAILS);
      case PRIMARY_VCPU_HELD -> damage("primary", FaultyMain.Damage.VCPU_HELD);
      case BACKUP_VCPU_HELD -> damage("backup", FaultyMain.Damage.VCPU_HELD);
      case PRIMARY_VCPU_ERROR -> throwError(Host.ONE);
      case BACKUP_VCPU_ERROR -> throwError(Host.TWO);
    }
  }

  /** The backup must not remember the attempt: what the guest did after it has been seen. */
  private void giveUpFailover() throws Exception {
    int before = primary.consoleBytes();
    tgtd.orElseThrow().signal("STOP");
    try {
      IOException refusal =
          assertThrows(
              IOException.class,
              () -> {
                try (ControlClient client = ControlClient.connect(primaryName)) {
                  client.ask(Map.of("command", "failover", "timeout", 1), LIMIT_SECONDS);
                }
              });
      assertTrue(
          String.valueOf(refusal.getMessage()).contains("not handed over"), refusal::toString);
    } finally {
      tgtd.orElseThrow().signal("CONT");
    }
    long until = System.nanoTime() + LIMIT_SECONDS * 1_000_000_000L;
    while (primary.consoleBytes() < before + MORE_BYTES) {
      assertTrue(
          System.nanoTime() < until, "the guest is stopped after a failover that was given up");
      Thread.sleep(5);
    }
  }

  private void damage(String role, FaultyMain.Damage damage) throws IOException {
    // Complete when it is seen.
    Path written = directory.resolve(shared.getFileName() + "-damage");
    Files.writeString(written, damage.name());
    Files.move(written, damageFile(role));
  }

  private void throwError(Host host) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(FaultyThread.class.getName(), "" + DEBUG_PORT, VCPU_THREAD));
    Process thrower =
        new ProcessBuilder(hosts.on(host, command))
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.INHERIT)
            .start();
    try {
      assertTrue(thrower.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS), "no Error could be thrown");
      assertEquals(0, thrower.exitValue(), "no Error could be thrown");
    } finally {
      thrower.destroyForcibly();
    }
  }

  /** The one that lost has noticed; one that cannot end any more is killed. */
  private void awaitLoser(PairSide loser) throws Exception {
    if (fault.effect == Fault.Effect.LEAVES) {
      assertTrue(loser.await(LIMIT_SECONDS).isPresent(), "it was told to end and did not");
      return;
    }
    boolean damaged = fault.effect == Fault.Effect.DAMAGE;
    Optional<Integer> code = loser.await(damaged ? LIMIT_SECONDS / 8 : LIMIT_SECONDS);
    if (damaged) {
      if (code.isEmpty()) {
        loser.kill();
      }
      int last = code.orElse(ENDED_BY_SIGKILL);
      assertTrue(last != 0, "the damaged side ended as if all were well");
    } else {
      assertEquals(Optional.of(1), code, "the loser's exit code");
    }
  }

  private void pause(int mostMillis) throws InterruptedException {
    Thread.sleep(random.nextInt(mostMillis));
  }

  private void silentUntilTheDiskIsBack() throws Exception {
    assertTrue(backup.awaitNote(NO_ANSWER, LIMIT_SECONDS).isPresent(), "it did not ask");
    pause(1_000);
    assertEquals(0, backup.consoleBytes(), "it went live without an answer");
    assertEquals(Optional.empty(), backup.awaitNote(GOES_ON, 0));
    Files.move(away, shared);
  }

  /** Waits until it is settled who goes on. */
  private Survivor survivor() throws Exception {
    long start = System.nanoTime();
    long settled = start + 2 * TIMEOUT_MILLIS * 1_000_000L;
    while (System.nanoTime() - start < LIMIT_SECONDS * 1_000_000_000L) {
      if (backup.awaitNote(GOES_ON, 0).isPresent()) {
        return Survivor.BACKUP;
      }
      if (primary.awaitNote(ALONE, 0).isPresent()) {
        return Survivor.PRIMARY;
      }
      if (fault.effect == Fault.Effect.PASSES && System.nanoTime() > settled && isProtected()) {
        return Survivor.PAIR;
      }
      Thread.sleep(20);
    }
    throw new AssertionError("nobody goes on");
  }

  private boolean isProtected() {
    try (ControlClient client = ControlClient.connect(primaryName)) {
      return "PROTECTED".equals(client.ask(Map.of("command", "status")).get("state"));
    } catch (IOException e) {
      return false; // It has lost, just now.
    }
  }

  private void backupGoesOn() throws Exception {
    int goesOnAt =
        Integer.parseInt(backup.awaitNote(GOES_ON, LIMIT_SECONDS).orElseThrow().group(1));
    boolean killed = !primary.process().isAlive();
    if (!killed) {
      awaitLoser(primary);
    }
    BankRecord early = record(primary.console(), backup.console(), goesOnAt);
    more(backup, early.lastBefore());
    end(backup);
    check(record(primary.console(), backup.console(), goesOnAt));
    long late = primary.lastByteNanos() - backup.firstByteNanos();
    assertTrue(killed || late < READ_LATE_NANOS, () -> "both spoke, for " + late + " ns; " + fault);
  }

  private boolean isErrorThrown() {
    return fault == Fault.PRIMARY_VCPU_ERROR || fault == Fault.BACKUP_VCPU_ERROR;
  }

  private void primaryGoesOn(Survivor survivor) throws Exception {
    if (survivor == Survivor.PRIMARY && backup.process().isAlive()) {
      awaitLoser(backup);
    }
    assertEquals("", new String(backup.console(), ISO_8859_1), "the backup spoke");
    byte[] soFar = primary.console();
    more(primary, record(soFar, new byte[0], soFar.length).last());
    end(primary);
    byte[] all = primary.console();
    check(record(all, new byte[0], all.length));
    if (survivor == Survivor.PAIR) {
      assertEquals(Optional.of(0), backup.await(LIMIT_SECONDS), "it should have ended with it");
      assertEquals(0, backup.consoleBytes(), "it went live though the guest had ended");
    }
  }

  private static BankRecord record(byte[] before, byte[] after, int goesOnAt) {
    return new BankRecord(before, after, goesOnAt, SLOTS);
  }

  private static void more(PairSide side, long last) throws Exception {
    String later = "bank: " + (last + 5) + "\r\n";
    assertTrue(side.awaitConsole(later, 0, LIMIT_SECONDS), "it stands");
  }

  private static void end(PairSide side) throws Exception {
    side.type("q");
    assertEquals(Optional.of(0), side.await(LIMIT_SECONDS), "the survivor's exit code");
  }

  private void check(BankRecord record) throws Exception {
    assertEquals(Optional.empty(), record.consoleComplaint());
    assertEquals(Optional.empty(), record.diskComplaint(image));
  }

  @Override
  public void close() throws IOException {
    primary.close();
    backup.close();
    closeTarget();
    for (String role : List.of("primary", "backup")) {
      Files.deleteIfExists(damageFile(role));
    }
    Path last = Files.exists(away) ? away : shared;
    try (var files = Files.list(last)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(last);
    try (var files = Files.list(directory)) {
      assertEquals(List.of(), files.toList(), "something was left behind");
    }
  }
}
