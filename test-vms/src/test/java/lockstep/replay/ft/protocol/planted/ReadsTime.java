package lockstep.replay.ft.protocol.planted;

/** A protocol that asks a clock. */
public final class ReadsTime {
  private ReadsTime() {}

  static long nowNanos() {
    return System.nanoTime();
  }
}
