package lockstep.replay.planted;

import lockstep.storage.FileDisk;

/** A replay that imports a backend. */
public final class KnowsDisks {
  private KnowsDisks() {}

  static Class<?> disk() {
    return FileDisk.class;
  }
}
