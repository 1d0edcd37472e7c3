package lockstep.testvms.lab;

import java.io.File;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/**
 * What to run in the lab.
 *
 * @param command the program and its arguments, as seen in the lab: {@code java}, {@code lockstep}
 *     and busybox's tools are on its path
 * @param classPath jars and class directories of this machine; the lab's {@code java} gets them as
 *     its class path, in this order
 * @param input typed on the lab's console once the command runs
 * @param timeout from the start of the lab's host to the end of the command
 * @param memoryMib the memory of the lab's host; class path and runtime live in it too
 * @param cpus the CPUs of the lab's host, each a thread of QEMU here
 */
public record LabJob(
    List<String> command,
    List<Path> classPath,
    String input,
    Duration timeout,
    int memoryMib,
    int cpus) {
  /** Half of it goes to the runtime and its class path, which stay in memory. */
  static final int DEFAULT_MEMORY_MIB = 1024;

  /** Some ten seconds to a running JVM, the rest for the command. */
  static final Duration DEFAULT_TIMEOUT = Duration.ofMinutes(2);

  /**
   * Checks the values.
   *
   * @throws IllegalArgumentException when there is no command or a number makes no sense
   */
  public LabJob {
    if (command.isEmpty() || timeout.isNegative() || memoryMib < 256 || cpus < 1) {
      throw new IllegalArgumentException(
          "lab job %s: timeout %s, %d MiB, %d CPUs".formatted(command, timeout, memoryMib, cpus));
    }
    command = List.copyOf(command);
    classPath = List.copyOf(classPath);
  }

  /** A command with the defaults for the rest. */
  public static LabJob of(List<Path> classPath, String... command) {
    return new LabJob(List.of(command), classPath, "", DEFAULT_TIMEOUT, DEFAULT_MEMORY_MIB, 1);
  }

  /** The command that runs a JUnit test class, its long tests left out; 0 when all pass. */
  public static List<String> junit(String testClass) {
    return List.of(
        "java",
        "-XX:TieredStopAtLevel=1",
        "--enable-native-access=ALL-UNNAMED",
        "org.junit.platform.console.ConsoleLauncher",
        "execute",
        "--disable-banner",
        "--disable-ansi-colors",
        "--details=tree",
        "--fail-if-no-tests",
        "--exclude-tag=long",
        "--select-class=" + testClass);
  }

  /** The class path of this JVM: a test or program that is to run the same code in the lab. */
  public static List<Path> ownClassPath() {
    return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
        .map(Path::of)
        .toList();
  }

  /** The same with something to type. */
  public LabJob withInput(String typed) {
    return new LabJob(command, classPath, typed, timeout, memoryMib, cpus);
  }

  /** The same with another bound. */
  public LabJob withTimeout(Duration bound) {
    return new LabJob(command, classPath, input, bound, memoryMib, cpus);
  }
}
