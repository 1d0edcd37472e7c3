package lockstep.storage.planted;

import lockstep.cli.guest.GuestCatalog;

/** A backend that imports the commands. */
public final class Prints {
  private Prints() {}

  static Class<?> upper() {
    return GuestCatalog.class;
  }
}
