package lockstep.cli.guest;

import java.util.List;

/**
 * Guests that come with Lockstep, found on the class path by {@link java.util.ServiceLoader}: the
 * module that holds them depends on this one, not the other way round (docs/adr/0002).
 */
public interface GuestCatalog {
  /** The guests, in the order to list them. */
  List<BuiltInGuest> guests();
}
