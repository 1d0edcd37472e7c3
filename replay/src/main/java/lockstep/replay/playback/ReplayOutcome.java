package lockstep.replay.playback;

/** How a replay ended. */
public sealed interface ReplayOutcome {
  /** Guest exits of the replay. */
  long exits();

  /**
   * It did all that the log says, to the log's end, and the machines ended equal.
   *
   * @param digest name of the final machine digest
   */
  record Equal(long exits, String digest) implements ReplayOutcome {}

  /** It did all that the log says, but the log was cut before its end. */
  record LogEnded(long exits) implements ReplayOutcome {}

  /** It came to the point where it was told to stop. */
  record Reached(long exits) implements ReplayOutcome {}

  /** It did something else than the log says. */
  record Diverged(Divergence divergence) implements ReplayOutcome {
    @Override
    public long exits() {
      return divergence.exits();
    }
  }
}
