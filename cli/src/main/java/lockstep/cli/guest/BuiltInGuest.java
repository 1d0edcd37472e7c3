package lockstep.cli.guest;

import java.util.Optional;
import java.util.function.Consumer;
import lockstep.monitor.boot.BootException;
import lockstep.monitor.boot.BootFile;

/**
 * A guest that {@code --guest NAME} boots.
 *
 * @param name what {@code --guest} takes
 * @param purpose one line for {@code --guest list}
 * @param memoryBytes its RAM unless the user says otherwise
 * @param commandLine its command line; {@code --append} adds to it
 * @param source where its files come from
 */
public record BuiltInGuest(
    String name, String purpose, long memoryBytes, String commandLine, Source source) {

  /** Where a guest's files come from. */
  public interface Source {
    /**
     * Fetches the files, or makes them first, which can take minutes.
     *
     * @param notes takes lines for the user while something takes long
     * @throws BootException when they cannot be had
     */
    Files files(Consumer<String> notes) throws BootException;

    /** Whether the files are there without making them first. */
    default boolean ready() {
      return true;
    }
  }

  /** The files a guest boots from. */
  public record Files(BootFile kernel, Optional<BootFile> initrd) {}
}
