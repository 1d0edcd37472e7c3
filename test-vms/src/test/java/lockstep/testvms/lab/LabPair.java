package lockstep.testvms.lab;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import lockstep.cli.process.PairSide;
import lockstep.storage.BlockDisk;
import lockstep.storage.DiskSpec;
import lockstep.storage.SharedDisk;
import lockstep.testing.Tgtd;

/**
 * A pair on two lab hosts that share a disk, and nothing else. The bank runs, and its consoles are
 * read here, outside of both.
 */
final class LabPair implements AutoCloseable {
  /**
   * Ten times the usual one: under emulation a collection of garbage, or a class that is loaded,
   * takes as long as the usual one.
   */
  static final int TIMEOUT_MILLIS = 5_000;

  /** For what takes a JVM a second on a host of its own. */
  static final long LIMIT_SECONDS = 240;

  private static final Duration HOST_LIMIT = Duration.ofMinutes(15);
  private static final int MEMORY_MIB = 1024;
  private static final int PORT = 7000;

  /** What Lockstep calls a host that has been given no name for iSCSI. */
  private static final String INITIATORS = "iqn.2026-11.dev.lockstep:";

  /** How the backup says that it goes on: digests that were equal, and the console's byte. */
  static final Pattern GOES_ON = Pattern.compile("(\\d+) digests.*goes on at byte (\\d+)");

  /** How the primary does. */
  static final Pattern ALONE = Pattern.compile("goes on alone");

  private static final String UP = "this host is up";
  private static final Pattern LISTENING = Pattern.compile("listening on (\\S+)");

  /**
   * One host.
   *
   * @param name what it calls itself
   * @param side the process that it is here
   */
  record Host(String name, LabHost machine, PairSide side) implements AutoCloseable {
    @Override
    public void close() throws IOException {
      try (machine) {
        side.close();
      }
    }
  }

  /**
   * What both hosts have for a disk.
   *
   * @param disk as {@code --disk} takes it there
   * @param preparation what a host does before its command: part of a shell script
   * @param options those of the bank, for {@code --append}
   */
  record Shared(String disk, String preparation, String options) {
    /** A unit of a target on this machine. */
    static Shared unitOf(Tgtd tgtd) {
      return new Shared(unit(tgtd, LabNetwork.THIS_MACHINE, ""), "", "");
    }
  }

  private final Shared shared;
  private final Path identities;
  private final HostLab lab;
  private final Host two;
  private final Host one;

  /**
   * Starts both hosts.
   *
   * @param identities a directory with what {@code lockstep pair init} made, to be carried along
   */
  LabPair(HostLab lab, Shared shared, Path identities) throws Exception {
    this.lab = lab;
    this.shared = shared;
    this.identities = identities;
    List<LabNetwork> wire = LabNetwork.between("host-one", "host-two");
    String at = wire.getLast().address() + ":" + PORT;
    two = host(wire.getLast(), "two.p12", "backup", "--listen", at);
    try {
      one =
          host(
              wire.getFirst(),
              "one.p12",
              "primary",
              "--guest",
              "bank",
              "--append",
              shared.options(),
              "--backup",
              at,
              "--digest-interval",
              "500");
    } catch (IOException e) {
      two.close();
      throw e;
    }
  }

  private Host host(LabNetwork network, String identity, String role, String... more)
      throws IOException {
    List<String> command = new ArrayList<>(List.of("lockstep", role));
    command.addAll(List.of("--failure-timeout", String.valueOf(TIMEOUT_MILLIS)));
    command.addAll(List.of("--disk", shared.disk()));
    command.addAll(List.of(more));
    // The hosts come up at once, the commands when they are typed to.
    String script =
        shared.preparation()
            + "echo %s >&2; read -r go && exec \"$@\" --identity \"$(find /lab -name %s)\""
                .formatted(UP, identity);
    List<String> job = new ArrayList<>(List.of("sh", "-c", script, role));
    job.addAll(command);
    List<Path> carried = new ArrayList<>(LabJob.ownClassPath());
    carried.add(identities);
    LabHost machine = lab.host(new LabJob(job, carried, "", HOST_LIMIT, MEMORY_MIB, 1), network);
    try {
      return new Host(
          network.hostName(), machine, new PairSide(role, machine.command(), line -> {}));
    } catch (IOException e) {
      machine.close();
      throw e;
    }
  }

  /** What stands behind {@code iscsi:} for the shared unit. */
  private static String unit(Tgtd tgtd, String target, String options) {
    return "iscsi:" + tgtd.address(1, options).replace("127.0.0.1", target);
  }

  /**
   * A unit that two hosts share, from here.
   *
   * @param hostName in whose name; that host's command must have ended. Empty for the own one
   */
  static SharedDisk open(Tgtd tgtd, String hostName) throws IOException {
    String options = hostName.isEmpty() ? "" : "?initiator=" + INITIATORS + hostName;
    return SharedDisk.open(DiskSpec.parse(unit(tgtd, "127.0.0.1", options)), BlockDisk.Use.PAIR);
  }

  /** Starts the pair and waits until the world has seen a transaction. */
  void awaitTransaction(long number) throws Exception {
    go(two);
    awaitNote(two, LISTENING);
    go(one);
    assertTrue(one.side().awaitConsole("bank: " + number + "\r\n", 0, LIMIT_SECONDS), this::said);
  }

  /** Waits until the command on a host, and with that the host, has ended; its exit code. */
  OptionalInt awaitEnd(Host host) throws Exception {
    assertTrue(host.side().await(LIMIT_SECONDS).isPresent(), () -> host.name() + said());
    return host.machine().exitCode();
  }

  private void go(Host host) throws Exception {
    // What is typed earlier finds no terminal.
    awaitNote(host, Pattern.compile(UP));
    host.side().type("go\n");
  }

  /** Waits for a line that one of them says. */
  MatchResult awaitNote(Host host, Pattern pattern) throws InterruptedException {
    return host.side()
        .awaitNote(pattern, LIMIT_SECONDS)
        .orElseThrow(() -> new AssertionError("no '" + pattern + "'" + said()));
  }

  /** Waits until the disk has chosen one of two that do not hear each other. */
  boolean backupIsChosen() throws InterruptedException {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (System.nanoTime() < until) {
      if (two.side().awaitNote(GOES_ON, 1).isPresent()) {
        return true;
      }
      if (one.side().awaitNote(ALONE, 0).isPresent()) {
        return false;
      }
    }
    throw new AssertionError("nobody goes on" + said());
  }

  /** The one that begins as primary. */
  Host one() {
    return one;
  }

  /** The one that begins as backup. */
  Host two() {
    return two;
  }

  /** All that both have said, with the time in seconds. */
  String said() {
    StringBuilder text = new StringBuilder();
    for (Host host : List.of(one, two)) {
      for (PairSide.Note note : host.side().notes()) {
        text.append("\n%.3f ".formatted(note.nanos() / 1e9)).append(note.text());
      }
    }
    return text.toString();
  }

  @Override
  public void close() throws IOException {
    try (two) {
      one.close();
    }
  }
}
