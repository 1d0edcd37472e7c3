package lockstep.guards;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Builds small modules below this project's own parent, each with one violation, and sees each
 * build fail by name; a module without one must pass. It is the real build, so the flags cannot
 * drift from those that are tested. Runs Maven once, offline: whatever it needs, the build that
 * runs this test has fetched already.
 */
class PlantedBuildTest {
  /** One compilation takes 3 s on a quiet machine; there are five. */
  private static final long LIMIT_MINUTES = 5;

  private static final String MARKED = "@org.jspecify.annotations.NullMarked\n";

  private record Planted(String module, String source, String finding) {}

  private static final Planted CLEAN =
      new Planted("clean", "package planted;\n\n/** Nothing wrong. */\nclass Source {}\n", "");

  private static final List<Planted> VIOLATIONS =
      List.of(
          new Planted(
              "lint",
              "package planted;\n\n/** A raw type. */\nclass Source {\n  java.util.List list;\n}\n",
              "\\[rawtypes\\]"),
          new Planted(
              "errorprone",
              """
              package planted;

              /** An exception made and dropped. */
              class Source {
                void run() {
                  new IllegalStateException();
                }
              }
              """,
              "\\[DeadException\\]"),
          new Planted(
              "nullaway",
              "package planted;\n\n/** A null returned. */\n"
                  + MARKED
                  + "class Source {\n  String name() {\n    return null;\n  }\n}\n",
              "\\[NullAway\\]"),
          new Planted(
              "format",
              "package planted;\n\n/** Four spaces. */\nclass Source {\n    int i;\n}\n",
              "format violations"));

  @TestFactory
  Stream<DynamicTest> eachGuardFailsItsPlantedModule() throws Exception {
    Path root = Path.of("..").toRealPath();
    Path work = Path.of("target", "planted").toAbsolutePath();
    String log = build(root, work);
    return Stream.concat(
        Stream.of(
            DynamicTest.dynamicTest(
                "clean module passes",
                () -> assertFalse(failed(log, CLEAN), () -> "the clean module failed:\n" + log))),
        VIOLATIONS.stream()
            .map(
                planted ->
                    DynamicTest.dynamicTest(
                        planted.module() + " fails",
                        () -> {
                          assertTrue(failed(log, planted), () -> "it passed:\n" + log);
                          assertTrue(
                              Pattern.compile(planted.finding()).matcher(log).find(),
                              () -> "no " + planted.finding() + " in:\n" + log);
                        })));
  }

  private static boolean failed(String log, Planted planted) {
    boolean failed = summary(log, planted, "FAILURE");
    boolean passed = summary(log, planted, "SUCCESS");
    assertTrue(failed || passed, () -> planted.module() + " was not built:\n" + log);
    return failed;
  }

  private static boolean summary(String log, Planted planted, String state) {
    return Pattern.compile("(?m)^\\[INFO\\] planted-" + planted.module() + " .*\\. " + state)
        .matcher(log)
        .find();
  }

  private static String build(Path root, Path work) throws IOException, InterruptedException {
    List<Planted> all = Stream.concat(Stream.of(CLEAN), VIOLATIONS.stream()).toList();
    StringBuilder modules = new StringBuilder();
    for (Planted planted : all) {
      modules.append("<module>").append(planted.module()).append("</module>");
      boolean formatted = planted.module().equals("format") || planted.module().equals("clean");
      write(
          work.resolve(planted.module()).resolve("pom.xml"),
          pom(
              work.resolve(planted.module()).relativize(root.resolve("pom.xml")),
              planted.module(),
              "<properties><spotless.check.skip>%s</spotless.check.skip></properties>"
                  .formatted(!formatted)));
      write(
          work.resolve(planted.module()).resolve("src/main/java/planted/Source.java"),
          planted.source());
    }
    write(
        work.resolve("pom.xml"),
        """
        <project><modelVersion>4.0.0</modelVersion><groupId>planted</groupId>
        <artifactId>planted</artifactId><version>1</version><packaging>pom</packaging>
        <modules>%s</modules></project>
        """
            .formatted(modules));
    Path output = work.resolve("build.log");
    ProcessBuilder command =
        new ProcessBuilder(
                System.getProperty("maven.home") + "/bin/mvn",
                "-B",
                "-o",
                "--fail-at-end",
                "-Dstyle.color=never",
                "clean",
                "compile")
            .directory(work.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile());
    // Spotless needs Maven itself on this JDK.
    command.environment().put("JAVA_HOME", System.getProperty("java.home"));
    Process maven = command.start();
    if (!maven.waitFor(LIMIT_MINUTES, TimeUnit.MINUTES)) {
      maven.descendants().forEach(ProcessHandle::destroyForcibly);
      maven.destroyForcibly();
      throw new AssertionError("no end after " + LIMIT_MINUTES + " minutes, see " + output);
    }
    return Files.readString(output);
  }

  private static String pom(Path parent, String name, String properties) {
    return """
        <project><modelVersion>4.0.0</modelVersion><parent><groupId>dev.lockstep</groupId>
        <artifactId>lockstep</artifactId><version>%s</version><relativePath>%s</relativePath>
        </parent><artifactId>planted-%s</artifactId><name>planted-%s</name>%s</project>
        """
        .formatted(System.getProperty("project.version"), parent, name, name, properties);
  }

  private static void write(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
  }
}
