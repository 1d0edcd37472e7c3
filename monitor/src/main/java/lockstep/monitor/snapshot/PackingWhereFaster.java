package lockstep.monitor.snapshot;

import java.util.function.LongSupplier;

/**
 * Measures, chunk by chunk, what compressing costs and saves. What it does not do at present it
 * tries again now and then, because links and memory change.
 */
final class PackingWhereFaster implements Packing {
  /** Chunks between two tries. */
  private static final int TRY_EVERY = 32;

  /** How much a new measurement counts. */
  private static final double WEIGHT = 0.2;

  private final LongSupplier clock;
  private double packNanosPerByte;
  private double packedPart;
  private double sendNanosPerByte;
  private long startNanos;
  private long chunks;
  private boolean measured;

  PackingWhereFaster(LongSupplier clock) {
    this.clock = clock;
  }

  @Override
  public boolean isWorthTrying() {
    return chunks++ % TRY_EVERY == 0 || packNanosPerByte < (1 - packedPart) * sendNanosPerByte;
  }

  @Override
  public void packing() {
    startNanos = clock.getAsLong();
  }

  @Override
  public void packed(int rawBytes, int packedBytes) {
    double nanosPerByte = (double) (clock.getAsLong() - startNanos) / rawBytes;
    double part = (double) packedBytes / rawBytes;
    packNanosPerByte = measured ? mixed(packNanosPerByte, nanosPerByte) : nanosPerByte;
    packedPart = measured ? mixed(packedPart, part) : part;
    measured = true;
  }

  @Override
  public void sending() {
    startNanos = clock.getAsLong();
  }

  @Override
  public void sent(int bytes) {
    sendNanosPerByte = mixed(sendNanosPerByte, (double) (clock.getAsLong() - startNanos) / bytes);
  }

  private static double mixed(double before, double now) {
    return before + WEIGHT * (now - before);
  }
}
