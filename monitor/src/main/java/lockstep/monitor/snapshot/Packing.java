package lockstep.monitor.snapshot;

import java.util.function.LongSupplier;

/** Decides which chunks of memory are compressed. One thread. */
public interface Packing {
  /** All of them: for files, which are read more often than written. */
  Packing ALWAYS = () -> true;

  /** Whether the next chunk is to be compressed. */
  boolean isWorthTrying();

  /** A compression begins. */
  default void packing() {}

  /** It has ended. */
  default void packed(int rawBytes, int packedBytes) {}

  /** A chunk begins to leave. */
  default void sending() {}

  /** It has left; what is slow to take it made that slow. */
  default void sent(int bytes) {}

  /**
   * Compresses while that is faster than sending what it saves.
   *
   * @param clock nanoseconds that only rise
   */
  static Packing whereFaster(LongSupplier clock) {
    return new PackingWhereFaster(clock);
  }
}
