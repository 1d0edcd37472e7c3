package lockstep.testvms;

import java.util.List;
import java.util.Optional;
import lockstep.cli.guest.BuiltInGuest;
import lockstep.cli.guest.GuestCatalog;
import lockstep.monitor.boot.BootFile;

/** Offers the freestanding guests to {@code lockstep run --guest}. */
public final class FreestandingCatalog implements GuestCatalog {
  /** For ServiceLoader. */
  public FreestandingCatalog() {}

  @Override
  public List<BuiltInGuest> guests() {
    return Guests.all().stream().map(FreestandingCatalog::builtIn).toList();
  }

  private static BuiltInGuest builtIn(Guest guest) {
    return new BuiltInGuest(
        guest.name(),
        guest.purpose(),
        (long) guest.memoryMib() << 20,
        "",
        notes ->
            new BuiltInGuest.Files(
                BootFile.of("guest " + guest.name(), guest.image()), Optional.empty()));
  }
}
