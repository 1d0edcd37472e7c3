package lockstep.cli.common;

/** How much a command says. The command {@code lockstep} has it, as the parent of all others. */
@FunctionalInterface
public interface Verbosity {
  /** Whether the user wants to know more. */
  boolean verbose();
}
