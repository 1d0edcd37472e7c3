package lockstep.storage;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.lease.LeaseBeat;
import lockstep.storage.lease.LeaseChain;
import lockstep.storage.lease.LeaseClock;
import lockstep.storage.lease.LeaseFiles;
import lockstep.storage.lease.LeaseState;

/** Whether another VM lives that has an image: its heartbeats, and a lock where locks work. */
final class LifeSigns {
  /** The file that every side holds a shared lock on. */
  static final String LOCK = ".alive";

  private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(250);
  private static final long LOCK_POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
  private static final int LOCK_POLLS = 3;

  private final LeaseFiles files;
  private final LeaseChain chain;
  private final LeaseClock clock;

  LifeSigns(LeaseFiles files, LeaseChain chain, LeaseClock clock) {
    this.files = files;
    this.chain = chain;
    this.clock = clock;
  }

  /**
   * Looks whether another VM lives that has this disk.
   *
   * @param taken whether a lease says that one has it; else only signs of life do
   * @return false when there may be one that still thinks that it may write
   * @throws IOException when one lives; one line that says which
   */
  boolean awaitDeath(Claimant self, boolean taken) throws IOException {
    Map<String, String> before = signs(self);
    if (!taken && before.isEmpty()) {
      return true;
    }
    if (isLocked()) {
      throw inUse(before);
    }
    long from = clock.nanos();
    while (clock.nanos() - from < FileLease.LOOK_NANOS) {
      clock.sleep(POLL_NANOS);
      Map<String, String> now = signs(self);
      if (!now.equals(before)) {
        throw inUse(now);
      }
    }
    return false;
  }

  /** A look at a lock takes it for a moment, and two that look find each other. */
  private boolean isLocked() throws IOException {
    for (int i = 0; i < LOCK_POLLS; i++) {
      if (!files.isHeld(LOCK)) {
        return false;
      }
      clock.sleep(LOCK_POLL_NANOS);
    }
    return true;
  }

  /** What other VMs show of themselves. */
  private Map<String, String> signs(Claimant self) throws IOException {
    Map<String, String> signs = new TreeMap<>();
    for (String name : files.list()) {
      Optional<String> vm = LeaseBeat.vm(name);
      if (vm.isPresent() && !vm.get().equals(self.vm())) {
        files.read(name).ifPresent(text -> signs.put(name, text));
      }
    }
    return signs;
  }

  private IOException inUse(Map<String, String> signs) throws IOException {
    Optional<LeaseState> state =
        chain.read() instanceof LeaseChain.View.At at ? Optional.of(at.state()) : Optional.empty();
    String vm =
        state
            .map(LeaseState::vm)
            .or(() -> signs.keySet().stream().findFirst().flatMap(LeaseBeat::vm))
            .orElse("?");
    List<String> labels = new ArrayList<>();
    signs.forEach(
        (name, text) -> {
          if (LeaseBeat.vm(name).equals(Optional.of(vm))) {
            labels.add(LeaseBeat.label(text));
          }
        });
    return new IOException(
        "disk %s is in use by another VM, %s%s; stop that VM first"
            .formatted(
                files.subject(),
                vm,
                labels.isEmpty() ? "" : " (" + String.join(", ", labels) + ")"));
  }
}
