package lockstep.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestTag;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TagFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherConfig;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Adds to the file that {@code LOCKSTEP_NOT_RUN} names a line for each test that did not run, with
 * the reason: {@code class#method TAB tags TAB reason}. {@code ./verify} tells of them in its last
 * lines. Surefire's reports are not enough: a class whose {@code @BeforeAll} finds that it cannot
 * run has no test there, nor have the tests that a build leaves out by their tags.
 *
 * <p>JUnit finds this by {@code META-INF/services}; it does nothing without the variable.
 */
public final class NotRunReport implements TestExecutionListener {
  /** The tags by which a build leaves tests out. */
  private static final List<String> TAGS = List.of("long", "lab");

  private final Optional<Path> report;
  private final Set<Path> classes;
  private final List<String> tags;
  private final Map<String, String> lines = new ConcurrentSkipListMap<>();
  private final Set<String> ran = ConcurrentHashMap.newKeySet();
  private Optional<TestPlan> plan = Optional.empty();

  /** For ServiceLoader. */
  public NotRunReport() {
    this(
        Optional.ofNullable(System.getenv("LOCKSTEP_NOT_RUN")).map(Path::of),
        Set.of(Path.of("target", "test-classes").toAbsolutePath()),
        TAGS);
  }

  /**
   * @param report what to add to; nothing happens without it
   * @param classes where all tests of the module are, those of the running plan among them
   * @param tags those of tests that are told of when they are not part of the plan
   */
  NotRunReport(Optional<Path> report, Set<Path> classes, List<String> tags) {
    this.report = report;
    this.classes = classes;
    this.tags = tags;
  }

  @Override
  public void testPlanExecutionStarted(TestPlan started) {
    plan = Optional.of(started);
  }

  @Override
  public void executionStarted(TestIdentifier test) {
    name(test).ifPresent(ran::add);
  }

  @Override
  public void executionSkipped(TestIdentifier test, String reason) {
    addAllOf(test, reason);
  }

  @Override
  public void executionFinished(TestIdentifier test, TestExecutionResult result) {
    if (result.getStatus() == TestExecutionResult.Status.ABORTED) {
      String reason = result.getThrowable().map(Throwable::getMessage).orElse("aborted");
      addAllOf(test, reason.replace("Assumption failed: ", ""));
    }
  }

  @Override
  public void testPlanExecutionFinished(TestPlan finished) {
    if (report.isEmpty()) {
      return;
    }
    Set<String> planned = new TreeSet<>();
    methods(finished).forEach(test -> name(test).ifPresent(planned::add));
    methods(discovered())
        .forEach(
            test ->
                name(test)
                    .filter(name -> !planned.contains(name))
                    .ifPresent(name -> add(name, test, "not part of this run")));
    try {
      Files.write(
          report.get(),
          lines.values(),
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND,
          StandardOpenOption.WRITE);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot add to " + report.get(), e);
    }
  }

  /** The tests of this module that a build may leave out. */
  private TestPlan discovered() {
    LauncherDiscoveryRequest request =
        LauncherDiscoveryRequestBuilder.request()
            .selectors(DiscoverySelectors.selectClasspathRoots(classes))
            .filters(TagFilter.includeTags(tags))
            .build();
    LauncherConfig withoutThis =
        LauncherConfig.builder().enableTestExecutionListenerAutoRegistration(false).build();
    return LauncherFactory.create(withoutThis).discover(request);
  }

  /** A class stands for its methods, as far as they have not run. */
  private void addAllOf(TestIdentifier test, String reason) {
    String line = reason.lines().findFirst().orElse("").strip();
    if (name(test).isPresent()) {
      add(name(test).get(), test, line);
      return;
    }
    Set<TestIdentifier> below = plan.map(running -> running.getDescendants(test)).orElse(Set.of());
    below.stream()
        .filter(found -> name(found).filter(name -> !ran.contains(name)).isPresent())
        .forEach(found -> add(name(found).orElseThrow(), found, line));
  }

  private void add(String name, TestIdentifier test, String reason) {
    String tags =
        test.getTags().stream().map(TestTag::getName).sorted().collect(Collectors.joining(","));
    lines.putIfAbsent(name, name + "\t" + tags + "\t" + reason);
  }

  private static Stream<TestIdentifier> methods(TestPlan plan) {
    return plan.getRoots().stream().flatMap(root -> plan.getDescendants(root).stream());
  }

  /** Of a test method; the rows of a parameterized one share it. */
  private static Optional<String> name(TestIdentifier test) {
    return test.getSource()
        .filter(MethodSource.class::isInstance)
        .map(MethodSource.class::cast)
        .map(source -> source.getClassName() + "#" + source.getMethodName());
  }
}
