package lockstep.cli.console;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import lockstep.cli.common.CommandFailure;
import lockstep.monitor.host.ConsoleInput;
import lockstep.monitor.host.ConsoleKeys;
import lockstep.monitor.host.ConsoleOutput;
import lockstep.monitor.output.ConsoleSink;
import lockstep.sys.StandardOutput;
import lockstep.sys.SysException;
import lockstep.sys.Terminal;

/**
 * The guest's console on standard input and output. A terminal goes to raw mode and comes back on
 * every way out: the end of the run, an exception, a signal. What is not a terminal is passed
 * through as it is.
 */
public final class TerminalConsole implements AutoCloseable {
  private static final int STANDARD_INPUT = 0;

  /** How long a reader may take nothing at the guest's end; a pipe's reader may be busy. */
  private static final long FINISH_MILLIS = 30_000;

  /** Empty where others write what the guest prints. */
  private final Optional<ConsoleOutput> output;

  private final ConsoleInput input;
  private final Optional<Terminal> terminal;
  private volatile Optional<IOException> broken = Optional.empty();
  private final Thread hook;

  private TerminalConsole(ConsoleTarget run, Optional<OutputStream> to) {
    hook =
        new Thread(
            () -> {
              // First, so that what the guest still prints is shown.
              run.endBySignal(this::release);
              release();
            },
            "console-restore");
    output =
        to.map(
            stream ->
                new ConsoleOutput(
                    stream,
                    cause -> {
                      broken = Optional.of(cause);
                      run.stop();
                    }));
    terminal = Terminal.of(STANDARD_INPUT);
    ConsoleKeys keys = new ConsoleKeys(run::stop, run::snapshot, TerminalConsole::showHelp);
    input =
        new ConsoleInput(
            new FileInputStream(FileDescriptor.in),
            terminal.isPresent() ? keys::filter : ConsoleInput.Filter.NONE,
            run.queue()::offer);
  }

  /** Takes the terminal and starts reading. */
  public static TerminalConsole open(ConsoleTarget run) throws SysException {
    return open(run, StandardOutput.stream());
  }

  /**
   * The same with another way to standard output.
   *
   * @param to where {@link #output} leads
   */
  public static TerminalConsole open(ConsoleTarget run, OutputStream to) throws SysException {
    return started(new TerminalConsole(run, Optional.of(to)));
  }

  /** The same for input alone: the run writes to standard output itself. */
  public static TerminalConsole openInput(ConsoleTarget run) throws SysException {
    return started(new TerminalConsole(run, Optional.empty()));
  }

  private static TerminalConsole started(TerminalConsole console) throws SysException {
    // Before raw mode, so that no signal can find the terminal raw and nobody to restore it.
    Runtime.getRuntime().addShutdownHook(console.hook);
    if (console.terminal.isPresent()) {
      console.terminal.get().makeRaw();
    }
    console.input.start();
    return console;
  }

  /** The way out for the guest's console bytes; not of one that was opened for input alone. */
  public ConsoleSink output() {
    return output.orElseThrow();
  }

  private static void showHelp() {
    // In raw mode a line feed alone does not go back to the first column. Standard error, because
    // standard output is the guest's and may be a file.
    byte[] text = ("\n" + ConsoleKeys.HELP).replace("\n", "\r\n").getBytes(StandardCharsets.UTF_8);
    System.err.write(text, 0, text.length);
    System.err.flush();
  }

  /**
   * Writes out what the guest printed and restores the terminal. Any thread, any number of times.
   */
  private void release() {
    input.close();
    output.ifPresent(ConsoleOutput::close);
    if (terminal.isPresent()) {
      try {
        terminal.get().restore();
      } catch (SysException e) {
        System.err.println("lockstep: terminal not restored, type: stty sane (" + e + ")");
      }
    }
  }

  /**
   * Gives the terminal back.
   *
   * @throws CommandFailure when the guest's output could not be written
   */
  @Override
  public void close() throws CommandFailure {
    long lost = output.map(present -> present.finish(FINISH_MILLIS)).orElse(0L);
    release();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending by a signal; the hook is running or has run.
      return;
    }
    if (broken.isPresent()) {
      IOException cause = broken.get();
      throw new CommandFailure(
          "standard output: " + cause.getMessage(),
          "the guest was stopped because its console goes nowhere",
          cause);
    }
    if (lost > 0) {
      throw new CommandFailure(
          "standard output: %d bytes of the guest's output are lost, nothing was read for %d s"
              .formatted(lost, FINISH_MILLIS / 1_000),
          "read all of it, or send it to a file");
    }
  }
}
