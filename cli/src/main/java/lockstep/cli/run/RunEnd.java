package lockstep.cli.run;

import lockstep.cli.common.ExitCode;
import lockstep.monitor.vcpu.RunResult;
import picocli.CommandLine;

/** What a guest's end means to the shell. */
public final class RunEnd {
  private RunEnd() {}

  /**
   * The process's exit code; standard error says how the guest ended unless it said so itself, by
   * its exit port, or was told to.
   */
  public static int exitCode(RunResult result, CommandLine command) {
    return switch (result) {
      case RunResult.ExitPort exit -> exit.code();
      case RunResult.Stopped _ -> ExitCode.DONE;
      case RunResult.Reset _ -> {
        say("the guest asked for a reset", command);
        yield ExitCode.DONE;
      }
      case RunResult.HaltedForGood _ -> {
        say("the guest halted with interrupts off", command);
        yield ExitCode.DONE;
      }
      case RunResult.Fenced fenced -> {
        say(
            "the guest was stopped, its disk is not this VM's any more: " + fenced.reason(),
            command);
        yield ExitCode.FAILED;
      }
      case RunResult.Crashed crash -> {
        say(crash.report(), command);
        yield ExitCode.FAILED;
      }
    };
  }

  private static void say(String what, CommandLine command) {
    command.getErr().println(command.getCommandSpec().qualifiedName() + ": " + what);
  }
}
