package lockstep.monitor.planted;

import lockstep.cli.GuestCatalog;

/** A monitor that imports the commands. */
public final class KnowsCommands {
  private KnowsCommands() {}

  static Class<?> upper() {
    return GuestCatalog.class;
  }
}
