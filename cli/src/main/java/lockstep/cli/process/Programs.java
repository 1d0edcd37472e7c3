package lockstep.cli.process;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The programs that this host has. */
public final class Programs {
  private static final List<String> ADMIN_PLACES = List.of("/usr/sbin", "/sbin");

  private Programs() {}

  /** Where a program is, among those of users and administrators. */
  public static Optional<Path> find(String program) {
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    List<String> places = new ArrayList<>(List.of(path.split(":", -1)));
    places.addAll(ADMIN_PLACES);
    return places.stream()
        .filter(place -> !place.isEmpty())
        .map(place -> Path.of(place, program))
        .filter(Files::isExecutable)
        .findFirst();
  }
}
