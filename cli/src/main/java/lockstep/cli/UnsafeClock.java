package lockstep.cli;

import java.util.Optional;
import picocli.CommandLine.Option;

/** The option of commands whose machine is replayed, here or on another host. */
final class UnsafeClock {
  @Option(
      names = "--unsafe-clock",
      description =
          "Start a kernel although it may read the host's clock: RDTSC or CPUID instructions that"
              + " could not be rewritten (docs/determinism.md). Where it executes one, a replay"
              + " diverges.")
  private boolean allowed = false;

  /** Only Picocli makes one. */
  UnsafeClock() {}

  /**
   * Looks at a kernel.
   *
   * @throws CommandFailure when a replay of it may diverge and nobody has allowed that
   */
  void check(String kernel, Start start) throws CommandFailure {
    if (allowed || !(start instanceof Start.Boot boot)) {
      return;
    }
    Optional<String> left = boot.image().rewrites().leftOver();
    if (left.isPresent()) {
      throw new CommandFailure(
          kernel
              + " may read the host's clock, and a replay would diverge: "
              + left.get()
              + " could not be rewritten",
          "use an ELF kernel with section headers, or --unsafe-clock to go on all the same");
    }
  }
}
