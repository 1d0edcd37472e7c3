package lockstep.cli.planted;

import lockstep.testvms.Guests;

/** A command that imports the guests. */
public final class NamesGuests {
  private NamesGuests() {}

  static Class<?> guests() {
    return Guests.class;
  }
}
