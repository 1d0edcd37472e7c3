package lockstep.guards;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.EvaluationResult;
import java.util.Map;
import java.util.stream.Stream;
import lockstep.cli.planted.NamesGuests;
import lockstep.kvm.planted.LooksUp;
import lockstep.monitor.device.planted.HasThread;
import lockstep.monitor.device.planted.ReadsClock;
import lockstep.monitor.planted.CallsNative;
import lockstep.monitor.planted.HasForeignMemory;
import lockstep.monitor.planted.KnowsCommands;
import lockstep.monitor.planted.UsesNetty;
import lockstep.monitor.unmarked.NotMarked;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The import rules hold, and each rule finds the class that was planted to break it. */
class ArchitectureTest {
  private static final Map<String, ArchRule> RULES =
      Map.ofEntries(
          Map.entry("bindings are lowest", Architecture.BINDINGS_ARE_LOWEST),
          Map.entry("monitor knows no replay", Architecture.MONITOR_KNOWS_NO_REPLAY),
          Map.entry("replay knows no backend", Architecture.REPLAY_KNOWS_NO_BACKEND),
          Map.entry("storage knows no command", Architecture.STORAGE_KNOWS_NO_COMMAND),
          Map.entry("cli knows no guest", Architecture.CLI_KNOWS_NO_GUEST),
          Map.entry("foreign memory stays below", Architecture.FOREIGN_MEMORY_STAYS_BELOW),
          Map.entry("downcalls in one place", Architecture.DOWNCALLS_IN_ONE_PLACE),
          Map.entry("netty in channel and control", Architecture.NETTY_IN_CHANNEL_AND_CONTROL),
          Map.entry("replayed code is pure", Architecture.REPLAYED_CODE_READS_NO_HOST_STATE),
          Map.entry("devices know no host", Architecture.DEVICES_KNOW_NO_HOST),
          Map.entry("packages are null-marked", Architecture.PACKAGES_ARE_NULL_MARKED));

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .withImportOption(location -> !location.contains("-tests.jar"))
          .importPackages("lockstep");

  @Test
  void allModulesAreLookedAt() {
    for (String type :
        new String[] {"lockstep.sys.Sys", "lockstep.kvm.Kvm", "lockstep.monitor.Machine"}) {
      assertTrue(CLASSES.contain(type), type + " was not imported: the rules would hold vacuously");
    }
  }

  @TestFactory
  Stream<DynamicTest> noClassBreaksTheRule() {
    return RULES.entrySet().stream()
        .map(rule -> DynamicTest.dynamicTest(rule.getKey(), () -> rule.getValue().check(CLASSES)));
  }

  @Test
  void importFromAboveIsFoundInBindings() {
    finds(Architecture.BINDINGS_ARE_LOWEST, LooksUp.class);
  }

  @Test
  void importOfCommandsIsFoundInMonitor() {
    finds(Architecture.MONITOR_KNOWS_NO_REPLAY, KnowsCommands.class);
  }

  @Test
  void importOfGuestsIsFoundInCli() {
    finds(Architecture.CLI_KNOWS_NO_GUEST, NamesGuests.class);
  }

  @Test
  void foreignMemoryIsFoundInMonitor() {
    finds(Architecture.FOREIGN_MEMORY_STAYS_BELOW, HasForeignMemory.class);
  }

  @Test
  void secondDowncallSiteIsFound() {
    finds(Architecture.DOWNCALLS_IN_ONE_PLACE, CallsNative.class);
  }

  @Test
  void nettyIsFoundOutsideTheChannel() {
    finds(Architecture.NETTY_IN_CHANNEL_AND_CONTROL, UsesNetty.class);
  }

  @Test
  void hostClockIsFoundInDevice() {
    finds(Architecture.REPLAYED_CODE_READS_NO_HOST_STATE, ReadsClock.class);
  }

  @Test
  void threadIsFoundInDevice() {
    finds(Architecture.DEVICES_KNOW_NO_HOST, HasThread.class);
  }

  @Test
  void unmarkedPackageIsFound() {
    finds(Architecture.PACKAGES_ARE_NULL_MARKED, NotMarked.class);
  }

  private static void finds(ArchRule rule, Class<?> planted) {
    EvaluationResult result = rule.evaluate(new ClassFileImporter().importClasses(planted));
    String report = result.getFailureReport().toString();
    assertTrue(
        result.hasViolation() && report.contains(planted.getSimpleName()),
        "the rule did not name " + planted.getName() + ": " + report);
  }
}
