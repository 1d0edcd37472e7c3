package lockstep.cli.control;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** Where control sockets are: a directory that is its user's alone. */
public final class ControlDirectory {
  private static final String SUFFIX = ".sock";
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,47}");

  private ControlDirectory() {}

  /** Whether a VM may be called so. */
  public static boolean isName(String name) {
    return NAME.matcher(name).matches();
  }

  /**
   * The directory, made if it is not there.
   *
   * @throws IOException when it cannot be made, or belongs to somebody else
   */
  public static Path get() throws IOException {
    String set = System.getenv("LOCKSTEP_RUN_DIR");
    String runtime = System.getenv("XDG_RUNTIME_DIR");
    int user = user();
    Path directory =
        set != null
            ? Path.of(set)
            : runtime != null
                ? Path.of(runtime, "lockstep")
                : Path.of(
                    System.getProperty("java.io.tmpdir"),
                    "lockstep-" + Integer.toUnsignedString(user));
    try {
      Files.createDirectory(
          directory,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    } catch (NoSuchFileException e) {
      throw new IOException(
          "no directory " + directory.toAbsolutePath().getParent() + " for the control sockets", e);
    } catch (FileAlreadyExistsException e) {
      if (!Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)
          || !Files.getAttribute(directory, "unix:uid", LinkOption.NOFOLLOW_LINKS).equals(user)
          || Files.getPosixFilePermissions(directory).size() > 3) {
        throw new IOException(
            directory + " is not this user's alone; remove it, or set LOCKSTEP_RUN_DIR", e);
      }
    }
    return directory;
  }

  /**
   * This process's effective user, by number: not every user has a name (containers run as any).
   * Source: proc(5), /proc/self/status, the second number of Uid.
   */
  private static int user() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("Uid:")) {
        return Integer.parseUnsignedInt(line.split("\\s+", -1)[2]);
      }
    }
    throw new IOException("/proc/self/status names no user");
  }

  /** The socket of the VM of that name. */
  public static Path socket(String name) throws IOException {
    return get().resolve(name + SUFFIX);
  }

  /** Whether there is a socket of that name; its VM may be dead. */
  public static boolean exists(String name) throws IOException {
    return Files.exists(socket(name));
  }

  /** Names of all sockets there are, sorted; their VMs may be dead. */
  public static List<String> names() throws IOException {
    List<String> names = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(get(), "*" + SUFFIX)) {
      for (Path file : files) {
        String name = file.getFileName().toString();
        names.add(name.substring(0, name.length() - SUFFIX.length()));
      }
    }
    names.sort(String::compareTo);
    return names;
  }
}
