package lockstep.testvms.lab;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** The command behind {@code test-vms/lab/run-in-lab}. */
final class LabMain {
  private static final String USAGE =
      """
      usage: run-in-lab [--timeout SECONDS] [--memory MIB] [--cpus N] -- COMMAND [ARGUMENT...]
             run-in-lab [...] --test CLASS
      Runs a command, or a JUnit test class, on Debian's own KVM in an emulated AMD machine.
      """;

  private Duration timeout = LabJob.DEFAULT_TIMEOUT;
  private int memoryMib = LabJob.DEFAULT_MEMORY_MIB;
  private int cpus = 1;
  private List<String> command = List.of();

  private LabMain() {}

  /** Exits with the command's code; 1 when the lab fails, 2 for wrong arguments. */
  public static void main(String[] args) {
    System.exit(new LabMain().run(args));
  }

  private int run(String[] args) {
    try {
      parse(new ArrayDeque<>(List.of(args)));
      HostLab lab = HostLab.prepare(Path.of(System.getProperty("lockstep.testvms", "test-vms")));
      LabJob job = new LabJob(command, LabJob.ownClassPath(), "", timeout, memoryMib, cpus);
      LabResult result = lab.run(job, System.out);
      System.err.printf(
          "lab: exit code %d, booted in %.1f s, ran for %.1f s%n",
          result.exitCode(), seconds(result.booting()), seconds(result.running()));
      return result.exitCode();
    } catch (IllegalArgumentException e) {
      System.err.println("run-in-lab: " + e.getMessage());
      System.err.print(USAGE);
      return 2;
    } catch (LabException | IOException e) {
      System.err.println("run-in-lab: " + e.getMessage());
      return 1;
    } catch (InterruptedException e) {
      return 1;
    }
  }

  private void parse(Deque<String> args) {
    while (!args.isEmpty()) {
      String option = args.pop();
      switch (option) {
        case "--timeout" -> timeout = Duration.ofSeconds(number(option, args));
        case "--memory" -> memoryMib = number(option, args);
        case "--cpus" -> cpus = number(option, args);
        case "--test" -> command = LabJob.junit(value(option, args));
        case "--" -> {
          command = new ArrayList<>(args);
          args.clear();
        }
        default -> throw new IllegalArgumentException("unknown option " + option);
      }
    }
    if (command.isEmpty()) {
      throw new IllegalArgumentException("no command");
    }
  }

  private static String value(String option, Deque<String> args) {
    if (args.isEmpty()) {
      throw new IllegalArgumentException(option + " needs a value");
    }
    return args.pop();
  }

  private static int number(String option, Deque<String> args) {
    String value = value(option, args);
    try {
      return Integer.parseInt(value);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(option + " needs a number, not " + value, e);
    }
  }

  private static double seconds(Duration duration) {
    return duration.toMillis() / 1000.0;
  }
}
