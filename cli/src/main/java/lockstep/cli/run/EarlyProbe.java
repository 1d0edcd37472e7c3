package lockstep.cli.run;

import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import lockstep.kvm.Kvm;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.sys.SysException;

/**
 * Finds out what this host's KVM needs while the command line is still being read: a third of the
 * time from the command to the first guest exit, on another processor.
 */
public final class EarlyProbe {
  /** Those that start a machine, if nothing is wrong with their arguments. */
  private static final Set<String> COMMANDS = Set.of("run", "record", "primary", "backup");

  /** A thousand times what it takes. */
  private static final long PATIENCE_SECONDS = 20;

  private static volatile Optional<CompletableFuture<QuirkSet>> early = Optional.empty();

  private EarlyProbe() {}

  /** Begins, if that is of use to these arguments. */
  public static void start(String... arguments) {
    if (arguments.length < 2 || !COMMANDS.contains(arguments[0])) {
      return;
    }
    CompletableFuture<QuirkSet> result = new CompletableFuture<>();
    early = Optional.of(result);
    Thread.ofPlatform()
        .daemon()
        .name("early-probe")
        .start(
            () -> {
              try (Kvm kvm = Kvm.open()) {
                result.complete(QuirkProbe.probe(kvm));
              } catch (SysException | RuntimeException | Error e) {
                // Whoever needs the answer asks again, and gets an error of its own.
                result.completeExceptionally(e);
              }
            });
  }

  /** What KVM needs: what was found, or else is found now. */
  static QuirkSet quirks(Kvm kvm) throws SysException, InterruptedException {
    if (early.isPresent()) {
      try {
        return early.get().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
      } catch (ExecutionException | TimeoutException e) {
        return QuirkProbe.probe(kvm);
      }
    }
    return QuirkProbe.probe(kvm);
  }
}
