package lockstep.monitor.device.planted;

/** A device that reads the host's clock. */
public final class ReadsClock {
  private ReadsClock() {}

  static long now() {
    return System.nanoTime();
  }
}
