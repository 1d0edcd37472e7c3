package lockstep.cli.console;

import java.util.Optional;
import lockstep.sys.SysException;
import lockstep.sys.Terminal;

/**
 * Standard input as a raw terminal, if it is one, until this is closed or the process ends: by an
 * exception or a signal that ends Java in order (SIGINT, SIGTERM, SIGHUP).
 */
public final class RawTerminal implements AutoCloseable {
  private static final int STANDARD_INPUT = 0;

  private final Optional<Terminal> terminal = Terminal.of(STANDARD_INPUT);
  private final Thread hook = new Thread(this::restore, "terminal-restore");

  private RawTerminal() {}

  /** Takes the terminal. */
  public static RawTerminal open() throws SysException {
    RawTerminal raw = new RawTerminal();
    if (raw.terminal.isPresent()) {
      // Before raw mode, so that no signal can find the terminal raw and nobody to restore it.
      Runtime.getRuntime().addShutdownHook(raw.hook);
      raw.terminal.get().makeRaw();
    }
    return raw;
  }

  /** Whether there is a terminal. */
  public boolean isTerminal() {
    return terminal.isPresent();
  }

  private void restore() {
    if (terminal.isPresent()) {
      try {
        terminal.get().restore();
      } catch (SysException e) {
        System.err.println("lockstep: terminal not restored, type: stty sane (" + e + ")");
      }
    }
  }

  @Override
  public void close() {
    restore();
    try {
      boolean unused = Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending by a signal; the hook is running or has run.
    }
  }
}
