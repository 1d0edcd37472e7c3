package lockstep.monitor.planted;

import lockstep.cli.guest.GuestCatalog;

/** A monitor that imports the commands. */
public final class KnowsCommands {
  private KnowsCommands() {}

  static Class<?> upper() {
    return GuestCatalog.class;
  }
}
