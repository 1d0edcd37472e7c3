package lockstep.cli.pair;

import lockstep.cli.common.ExitCode;
import lockstep.cli.run.RunEnd;
import lockstep.replay.ft.FtVm;
import picocli.CommandLine;

/** What the end of one side of a pair means to the shell. */
final class PairEnd {
  private PairEnd() {}

  /** The process's exit code; says what is not plain to see. */
  static int exitCode(FtVm.End end, CommandLine command) {
    String name = command.getCommandSpec().qualifiedName();
    return switch (end) {
      case FtVm.End.Guest guest -> {
        int code = RunEnd.exitCode(guest.result(), command);
        if (guest.lostOutputs() > 0) {
          command
              .getErr()
              .println(
                  "%s: %d outputs of the guest are lost: the console or the disk took none for 30 s"
                      .formatted(name, guest.lostOutputs()));
        }
        yield guest.lostOutputs() > 0 ? ExitCode.FAILED : code;
      }
      case FtVm.End.Elsewhere elsewhere -> {
        command.getErr().println(name + ": " + elsewhere.reason());
        yield ExitCode.DONE;
      }
      case FtVm.End.Halted halted -> {
        command.getErr().println(name + ": halted: " + halted.reason());
        yield ExitCode.FAILED;
      }
    };
  }
}
