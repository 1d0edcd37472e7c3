package lockstep.replay.placement;

import java.util.Optional;

/** Stands where a host has no counter. */
record NoCounter(String reason) implements InstructionCounter {
  @Override
  public Optional<String> missing() {
    return Optional.of(reason);
  }

  @Override
  public void start() {
    // Nothing counts.
  }

  @Override
  public void startAndStopAfter(long count) {
    throw new IllegalStateException("no counter: " + reason);
  }

  @Override
  public long read() {
    return INEXACT;
  }

  @Override
  public long skidMargin() {
    return 0;
  }

  @Override
  public void close() {
    // Nothing is open.
  }
}
