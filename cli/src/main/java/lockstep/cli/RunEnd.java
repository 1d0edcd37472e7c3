package lockstep.cli;

import lockstep.monitor.vcpu.RunResult;
import picocli.CommandLine;

/** What a guest's end means to the shell. */
final class RunEnd {
  private RunEnd() {}

  /**
   * The process's exit code; standard error says how the guest ended unless it said so itself, by
   * its exit port, or was told to.
   */
  static int exitCode(RunResult result, CommandLine command) {
    return switch (result) {
      case RunResult.ExitPort exit -> exit.code();
      case RunResult.Stopped _ -> Main.DONE;
      case RunResult.Reset _ -> {
        say("the guest asked for a reset", command);
        yield Main.DONE;
      }
      case RunResult.HaltedForGood _ -> {
        say("the guest halted with interrupts off", command);
        yield Main.DONE;
      }
      case RunResult.Fenced fenced -> {
        say(
            "the guest was stopped, its disk is not this VM's any more: " + fenced.reason(),
            command);
        yield Main.FAILED;
      }
      case RunResult.Crashed crash -> {
        say(crash.report(), command);
        yield Main.FAILED;
      }
    };
  }

  private static void say(String what, CommandLine command) {
    command.getErr().println(command.getCommandSpec().qualifiedName() + ": " + what);
  }
}
