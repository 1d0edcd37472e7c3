package lockstep.cli.guest;

import java.io.PrintWriter;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;

/** The built-in guests of all catalogs on the class path. */
public final class GuestList {
  private GuestList() {}

  static List<BuiltInGuest> all() {
    return ServiceLoader.load(GuestCatalog.class).stream()
        .flatMap(provider -> provider.get().guests().stream())
        .toList();
  }

  public static Optional<BuiltInGuest> find(String name) {
    return all().stream().filter(guest -> guest.name().equals(name)).findFirst();
  }

  public static void print(PrintWriter out) {
    for (BuiltInGuest guest : all()) {
      out.printf("%-8s %5d MiB  %s%n", guest.name(), guest.memoryBytes() >> 20, guest.purpose());
    }
    out.flush();
  }
}
