package lockstep.cli;

import lockstep.monitor.vcpu.RunResult;
import picocli.CommandLine;

/** What a guest's end means to the shell. */
final class RunEnd {
  private RunEnd() {}

  /** The process's exit code; a crash is reported on standard error. */
  static int exitCode(RunResult result, CommandLine command) {
    return switch (result) {
      case RunResult.ExitPort exit -> exit.code();
      case RunResult.Reset _, RunResult.Stopped _, RunResult.HaltedForGood _ -> Main.DONE;
      case RunResult.Fenced fenced -> {
        String name = command.getCommandSpec().qualifiedName();
        command.getErr().println(name + ": the storage refused this host: " + fenced.reason());
        yield Main.FAILED;
      }
      case RunResult.Crashed crash -> {
        String name = command.getCommandSpec().qualifiedName();
        command.getErr().println(name + ": " + crash.report());
        yield Main.FAILED;
      }
    };
  }
}
