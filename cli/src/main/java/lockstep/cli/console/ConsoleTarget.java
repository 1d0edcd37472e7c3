package lockstep.cli.console;

import lockstep.monitor.input.InputQueue;

/** A running machine, as the terminal sees it. All methods are for any thread. */
public interface ConsoleTarget {
  /** Where typed bytes go. */
  InputQueue queue();

  /** Ends the guest as if the power were cut. */
  void stop();

  /** The user asks for a snapshot. */
  void snapshot();

  /**
   * The process was told to end; returns when what must not be lost is safe.
   *
   * @param unblock called when that takes long: a console that nobody reads may hold the guest
   */
  void endBySignal(Runnable unblock);
}
