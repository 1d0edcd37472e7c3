package lockstep.monitor.device.planted;

/** A device with a thread of its own. */
public final class HasThread {
  private HasThread() {}

  static Thread worker() {
    return Thread.currentThread();
  }
}
