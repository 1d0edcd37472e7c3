package lockstep.cli.bench;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import lockstep.cli.common.CommandFailure;

/** A C program that measures once for every line it is sent, and answers with a number. */
final class BenchProgram {
  private final String name;
  private final BufferedWriter ask;
  private final BufferedReader answer;

  private BenchProgram(String name, Process process) {
    this.name = name;
    this.ask = process.outputWriter();
    this.answer = process.inputReader();
  }

  /** Starts it; it ends with the bench. Its error messages are the user's. */
  static BenchProgram start(BenchWork work, Path program, String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of(program.toString()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
    return new BenchProgram(String.valueOf(program.getFileName()), work.start(builder));
  }

  /** Has it measure. */
  double measure(String line) throws IOException, CommandFailure {
    ask.write(line + "\n");
    ask.flush();
    String number = answer.readLine();
    if (number == null) {
      throw new CommandFailure("the C program " + name + " ended early", "its message is above");
    }
    return Double.parseDouble(number);
  }
}
