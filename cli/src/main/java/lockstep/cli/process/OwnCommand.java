package lockstep.cli.process;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How to start this program once more, exactly as it was started. */
public final class OwnCommand {
  /** By its name: this package knows no command. */
  private static final String MAIN = "lockstep.cli.Main";

  private OwnCommand() {}

  /**
   * The same for a process that is told to end when this one is killed, where setpriv is. Start it
   * on a thread that lives as long as this process: the kernel watches that one.
   */
  public static List<String> thatEndsWithUs(String... arguments) {
    List<String> command = with(arguments);
    Programs.find("setpriv")
        .filter(OwnCommand::isUtilLinux)
        .ifPresent(
            setpriv -> command.addAll(0, List.of(setpriv.toString(), "--pdeathsig", "TERM")));
    return command;
  }

  /** Busybox's has no death signal. */
  private static boolean isUtilLinux(Path setpriv) {
    try {
      return setpriv.toRealPath().endsWith("setpriv");
    } catch (IOException e) {
      return false;
    }
  }

  /** The command line for a process of its own. */
  static List<String> with(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(MAIN);
    command.addAll(List.of(arguments));
    return command;
  }
}
