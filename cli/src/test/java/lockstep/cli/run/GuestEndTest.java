package lockstep.cli.run;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;
import lockstep.monitor.vcpu.RunResult;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** A guest's end on standard error and as an exit code. */
class GuestEndTest {
  @Command(name = "lockstep")
  private static final class Named {}

  private final StringWriter said = new StringWriter();

  private int end(RunResult how) {
    CommandLine command = new CommandLine(new Named()).setErr(new PrintWriter(said, true));
    return RunEnd.exitCode(how, command);
  }

  @Test
  void aGuestThatGaveUpIsSaidSo() {
    assertEquals(0, end(new RunResult.HaltedForGood()));
    assertEquals(0, end(new RunResult.Reset()));
    assertEquals(
        "lockstep: the guest halted with interrupts off\nlockstep: the guest asked for a reset\n",
        said.toString());
  }

  @Test
  void aGuestThatEndedItselfOrWasStoppedNeedsNoWords() {
    assertEquals(7, end(new RunResult.ExitPort(7)));
    assertEquals(0, end(new RunResult.Stopped()));
    assertEquals("", said.toString());
  }
}
