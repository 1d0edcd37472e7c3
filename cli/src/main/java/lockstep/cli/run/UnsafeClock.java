package lockstep.cli.run;

import java.util.Optional;
import lockstep.cli.common.CommandFailure;
import picocli.CommandLine.Option;

/** The option of commands whose machine is replayed, here or on another host. */
public final class UnsafeClock {
  @Option(
      names = "--unsafe-clock",
      description =
          "Start a kernel although it may read the host's clock: RDTSC or CPUID instructions that"
              + " could not be rewritten (docs/determinism.md). Where it executes one, a replay"
              + " diverges.")
  private boolean allowed = false;

  /** Only Picocli makes one. */
  public UnsafeClock() {}

  /**
   * Looks at a kernel.
   *
   * @param kernel its name, or its snapshot's
   * @throws CommandFailure when a replay of it may diverge and nobody has allowed that
   */
  public void check(String kernel, Start start) throws CommandFailure {
    Optional<CommandFailure> refusal =
        switch (start) {
          case Start.Boot boot ->
              boot.image().rewrites().leftOver().map(left -> ofKernel(kernel, left));
          case Start.Restore restore ->
              restore.snapshot().saved().origin().hostClock()
                  ? Optional.of(ofSnapshot(kernel))
                  : Optional.empty();
        };
    if (!allowed && refusal.isPresent()) {
      throw refusal.get();
    }
  }

  private static CommandFailure ofKernel(String kernel, String left) {
    return new CommandFailure(
        kernel
            + " may read the host's clock, and a replay would diverge: "
            + left
            + " could not be rewritten",
        "use an ELF kernel with section headers, or --unsafe-clock to go on all the same");
  }

  private static CommandFailure ofSnapshot(String snapshot) {
    return new CommandFailure(
        snapshot
            + " is of a kernel that may read the host's clock, and a replay would diverge: RDTSC or"
            + " CPUID instructions of it were not rewritten",
        "give --unsafe-clock to go on all the same");
  }
}
