package lockstep.storage.iscsi;

import java.util.concurrent.TimeUnit;
import lockstep.storage.scsi.Standing;

/**
 * Whether requests of a disk may be sent, as far as the session's greeting has said whose the disk
 * is, and when that is to be asked again. Loop thread only.
 */
final class RequestHold {
  /** Between two looks at whose the disk is, while that is not known. */
  static final int HELD_MILLIS = 100;

  private Standing standing = Standing.HOLDS;

  /** Requests of the disk are not sent until the greeting has been asked again. */
  private boolean held;

  private long greetNanos = System.nanoTime();

  boolean isHeld() {
    return held;
  }

  /** What the greeting has said last. */
  Standing standing() {
    return standing;
  }

  /** Whether the greeting is to be asked again now. */
  boolean isDue() {
    return held && System.nanoTime() - greetNanos >= 0;
  }

  /** What the greeting has said now. */
  void greeted(Standing found) {
    standing = found;
    switch (found) {
      case HOLDS, FOLLOWS -> held = false;
      case WAITS, LOST -> hold(HELD_MILLIS);
    }
  }

  /** It is doubtful whose the disk is: the greeting is asked before anything more is sent. */
  void doubt() {
    hold(0);
    if (standing == Standing.LOST) {
      standing = Standing.WAITS;
    }
  }

  private void hold(int millis) {
    held = true;
    greetNanos = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
  }
}
