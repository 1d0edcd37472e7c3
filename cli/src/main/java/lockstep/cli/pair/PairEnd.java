package lockstep.cli.pair;

import lockstep.cli.common.ExitCode;
import lockstep.cli.run.RunEnd;
import lockstep.replay.ft.vcpu.VmEnd;
import picocli.CommandLine;

/** What the end of one side of a pair means to the shell. */
final class PairEnd {
  private PairEnd() {}

  /** The process's exit code; says what is not plain to see. */
  static int exitCode(VmEnd end, CommandLine command) {
    String name = command.getCommandSpec().qualifiedName();
    return switch (end) {
      case VmEnd.Guest guest -> {
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
      case VmEnd.Elsewhere elsewhere -> {
        command.getErr().println(name + ": " + elsewhere.reason());
        yield ExitCode.DONE;
      }
      case VmEnd.Halted halted -> {
        command.getErr().println(name + ": halted: " + halted.reason());
        yield ExitCode.FAILED;
      }
    };
  }
}
