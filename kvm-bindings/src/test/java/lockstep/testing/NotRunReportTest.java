package lockstep.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Disabled;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.TagFilter;
import org.junit.platform.launcher.core.LauncherConfig;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** A proof that does not run must be told of, whichever way it was left out. */
final class NotRunReportTest {
  private static final String PLANTED = NotRunReportTest.class.getName() + "$Planted";

  @TempDir private Path directory = Path.of("");

  /** Surefire does not look into nested classes. */
  static final class PlantedClassThatCannotRun {
    @BeforeAll
    static void never() {
      assumeTrue(false, "no such CPU\nand more lines");
    }

    @Test
    void one() {
      fail("it ran");
    }

    @Test
    @Tag("odd")
    void two() {
      fail("it ran");
    }
  }

  /** One of each kind. */
  static final class PlantedTests {
    @Test
    void runs() {
      assertFalse(PLANTED.isEmpty());
    }

    @Test
    void cannotRun() {
      assumeTrue(false, "no disk");
    }

    @Test
    @Disabled("by hand only")
    void isSwitchedOff() {
      fail("it ran");
    }

    @Test
    @Tag("planted")
    void isLeftOutByItsTag() {
      fail("it ran");
    }
  }

  @Test
  void classThatCannotRunIsReportedTestByTest() throws Exception {
    assertEquals(
        List.of(
            PLANTED + "ClassThatCannotRun#one\t\tno such CPU",
            PLANTED + "ClassThatCannotRun#two\todd\tno such CPU",
            PLANTED + "Tests#isLeftOutByItsTag\tplanted\tnot part of this run"),
        reportOf(PlantedClassThatCannotRun.class));
  }

  @Test
  void testsLeftOutAreReportedWithTheReasonAndTheOthersAreNot() throws Exception {
    assertEquals(
        List.of(
            PLANTED + "Tests#cannotRun\t\tno disk",
            PLANTED + "Tests#isLeftOutByItsTag\tplanted\tnot part of this run",
            PLANTED + "Tests#isSwitchedOff\t\tby hand only"),
        reportOf(PlantedTests.class));
  }

  private List<String> reportOf(Class<?> tests) throws Exception {
    Path report = directory.resolve("not-run.txt");
    Path classes =
        Path.of(NotRunReportTest.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    NotRunReport listener =
        new NotRunReport(Optional.of(report), Set.of(classes), List.of("planted"));
    LauncherFactory.create(
            LauncherConfig.builder().enableTestExecutionListenerAutoRegistration(false).build())
        .execute(
            LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectClass(tests))
                .filters(TagFilter.excludeTags("planted"))
                .build(),
            listener);
    return Files.readAllLines(report);
  }
}
