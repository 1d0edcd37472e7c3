package lockstep.cli;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How to start this program once more, exactly as it was started. */
final class OwnCommand {
  private OwnCommand() {}

  /** The same for a process that is told to end when this one is killed, where setpriv is. */
  static List<String> thatEndsWithUs(String... arguments) {
    List<String> command = with(arguments);
    BenchWork.find("setpriv")
        .ifPresent(
            setpriv -> command.addAll(0, List.of(setpriv.toString(), "--pdeathsig", "TERM")));
    return command;
  }

  /** The command line for a process of its own. */
  static List<String> with(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(Main.class.getName());
    command.addAll(List.of(arguments));
    return command;
  }
}
