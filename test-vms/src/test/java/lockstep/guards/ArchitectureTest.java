package lockstep.guards;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.EvaluationResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import lockstep.cli.planted.NamesGuests;
import lockstep.cli.planted.ServesWithNetty;
import lockstep.kvm.planted.LooksUp;
import lockstep.monitor.device.planted.HasThread;
import lockstep.monitor.device.planted.ReadsClock;
import lockstep.monitor.planted.CallsNative;
import lockstep.monitor.planted.HasForeignMemory;
import lockstep.monitor.planted.KnowsCommands;
import lockstep.monitor.planted.UsesNetty;
import lockstep.monitor.unmarked.NotMarked;
import lockstep.replay.ft.planted.KnowsNode;
import lockstep.replay.ft.protocol.planted.HasSocket;
import lockstep.replay.ft.protocol.planted.ReadsTime;
import lockstep.replay.planted.KnowsDisks;
import lockstep.replay.planted.one.One;
import lockstep.replay.planted.other.Other;
import lockstep.storage.planted.HasBuffers;
import lockstep.storage.planted.Prints;
import lockstep.storage.planted.Replays;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The import rules hold, and each rule finds the class that was planted to break it. */
class ArchitectureTest {
  /** A rule, and the class that was planted to break it, some with others that it needs. */
  private record Guard(String name, ArchRule rule, Class<?> planted, List<Class<?>> others) {
    Guard(String name, ArchRule rule, Class<?> planted, Class<?>... others) {
      this(name, rule, planted, List.of(others));
    }

    Class<?>[] all() {
      return Stream.concat(Stream.of(planted), others.stream()).toArray(Class<?>[]::new);
    }
  }

  private static final List<Guard> GUARDS =
      List.of(
          new Guard("bindings are lowest", Architecture.BINDINGS_ARE_LOWEST, LooksUp.class),
          new Guard(
              "monitor knows no replay", Architecture.MONITOR_KNOWS_NO_REPLAY, KnowsCommands.class),
          new Guard(
              "replay knows no backend", Architecture.REPLAY_KNOWS_NO_BACKEND, KnowsDisks.class),
          new Guard(
              "storage knows no command", Architecture.STORAGE_KNOWS_NO_COMMAND, Prints.class),
          new Guard(
              "storage knows only ports", Architecture.STORAGE_KNOWS_ONLY_PORTS, Replays.class),
          new Guard("protocol is pure", Architecture.PROTOCOL_IS_PURE, HasSocket.class),
          new Guard(
              "protocol reads no host state",
              Architecture.PROTOCOL_READS_NO_HOST_STATE,
              ReadsTime.class),
          new Guard(
              "parts of a pair know no node",
              Architecture.PARTS_OF_A_PAIR_KNOW_NO_NODE,
              KnowsNode.class),
          new Guard(
              "replay has no cycles", Architecture.REPLAY_HAS_NO_CYCLES, One.class, Other.class),
          new Guard("cli knows no guest", Architecture.CLI_KNOWS_NO_GUEST, NamesGuests.class),
          new Guard(
              "foreign memory stays below",
              Architecture.FOREIGN_MEMORY_STAYS_BELOW,
              HasForeignMemory.class),
          new Guard(
              "foreign memory stays in storage's native part",
              Architecture.FOREIGN_MEMORY_STAYS_BELOW,
              HasBuffers.class),
          new Guard(
              "downcalls in one place", Architecture.DOWNCALLS_IN_ONE_PLACE, CallsNative.class),
          new Guard("netty in the channel", Architecture.NETTY_IN_CHANNEL, UsesNetty.class),
          new Guard("netty not in commands", Architecture.NETTY_IN_CHANNEL, ServesWithNetty.class),
          new Guard(
              "replayed code is pure",
              Architecture.REPLAYED_CODE_READS_NO_HOST_STATE,
              ReadsClock.class),
          new Guard("devices know no host", Architecture.DEVICES_KNOW_NO_HOST, HasThread.class),
          new Guard(
              "packages are null-marked", Architecture.PACKAGES_ARE_NULL_MARKED, NotMarked.class));

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .withImportOption(location -> !location.contains("-tests.jar"))
          .importPackages("lockstep");

  @Test
  void allModulesAreLookedAt() {
    for (String type :
        List.of(
            "lockstep.sys.Sys",
            "lockstep.kvm.Kvm",
            "lockstep.monitor.Machine",
            "lockstep.replay.channel.PeerNetwork",
            "lockstep.storage.FileDisk",
            "lockstep.cli.Main")) {
      assertTrue(CLASSES.contain(type), type + " was not imported: the rules would hold vacuously");
    }
  }

  private static final Path HOME = Path.of("..");

  /** The sources of all modules: {@code MODULE/src/KIND/java}. */
  private static List<Path> sources(String kind) throws IOException {
    try (Stream<Path> modules = Files.list(HOME)) {
      return modules
          .map(module -> module.resolve(Path.of("src", kind, "java")))
          .filter(root -> Files.isDirectory(root.resolve("lockstep")))
          .sorted()
          .toList();
    }
  }

  @TestFactory
  Stream<DynamicTest> pageListsWhatThePackageUses() throws IOException {
    PackageGraph graph = new PackageGraph(sources("main"), CLASSES);
    return graph.packages().stream()
        .map(
            name ->
                DynamicTest.dynamicTest(
                    name,
                    () ->
                        assertEquals(
                            List.of(),
                            graph.differences(name),
                            () -> name + " should say: " + graph.sentence(name))));
  }

  @Test
  void noPackageLeadsBackToItself() throws IOException {
    assertEquals(List.of(), new PackageGraph(sources("main"), CLASSES).cycles());
  }

  @Test
  void plantedPagesAndCycleAreFound() throws IOException {
    List<Path> all =
        Stream.of(sources("main"), sources("test")).flatMap(List::stream).distinct().toList();
    PackageGraph graph =
        new PackageGraph(all, new ClassFileImporter().importPackages("lockstep.monitor.planted"));
    assertEquals(
        List.of(
            "replay.planted uses storage, which its page does not list",
            "replay.planted does not use monitor.state, which its page lists"),
        graph.differences("replay.planted"));
    String noSentence = graph.differences("cli.planted").toString();
    assertTrue(noSentence.contains("cli.planted has no page with a sentence"), noSentence);
    List<String> cycles = graph.cycles();
    assertTrue(
        cycles.contains("monitor.planted -> monitor.planted.child -> monitor.planted"),
        cycles.toString());
  }

  @TestFactory
  Stream<DynamicTest> noClassBreaksTheRule() {
    return GUARDS.stream()
        .map(guard -> DynamicTest.dynamicTest(guard.name(), () -> guard.rule().check(CLASSES)));
  }

  @TestFactory
  Stream<DynamicTest> plantedClassIsFound() {
    return GUARDS.stream().map(guard -> DynamicTest.dynamicTest(guard.name(), () -> finds(guard)));
  }

  private static void finds(Guard guard) {
    Class<?> planted = guard.planted();
    EvaluationResult result =
        guard.rule().evaluate(new ClassFileImporter().importClasses(guard.all()));
    String report = result.getFailureReport().toString();
    assertTrue(
        result.hasViolation() && report.contains(planted.getSimpleName()),
        "the rule did not name " + planted.getName() + ": " + report);
  }
}
