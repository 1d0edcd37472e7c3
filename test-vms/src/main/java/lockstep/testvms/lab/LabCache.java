package lockstep.testvms.lab;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What is costly to make, kept under a name that says what it was made from: content that changes
 * gets another name, so nothing stale is ever used. Several processes may fill it at once.
 */
final class LabCache {
  private final Path directory;

  LabCache(Path directory) {
    this.directory = directory;
  }

  /** {@code $LOCKSTEP_CACHE}, or lockstep in the user's cache directory. */
  static LabCache ofUser() {
    Map<String, String> env = System.getenv();
    String own = env.getOrDefault("LOCKSTEP_CACHE", "");
    if (!own.isEmpty()) {
      return new LabCache(Path.of(own));
    }
    String xdg = env.getOrDefault("XDG_CACHE_HOME", "");
    Path caches = xdg.isEmpty() ? Path.of(System.getProperty("user.home"), ".cache") : Path.of(xdg);
    return new LabCache(caches.resolve("lockstep"));
  }

  /** Makes a file at the path it is given, where nothing is yet. */
  interface Maker {
    void make(Path path) throws IOException, LabException, InterruptedException;
  }

  /** The file of that name, made now if it is not there. */
  Path get(String name, Maker maker) throws IOException, LabException, InterruptedException {
    Path entry = directory.resolve(name);
    if (Files.exists(entry)) {
      return entry;
    }
    Files.createDirectories(directory);
    Path work = Files.createTempDirectory(directory, ".making-");
    try {
      Path made = work.resolve(name);
      maker.make(made);
      // Replaces what another process made meanwhile, which is the same: the name says so.
      Files.move(made, entry, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      delete(work);
    }
    return entry;
  }

  /** Deletes a directory and all in it. */
  static void delete(Path root) throws IOException {
    List<Path> paths;
    try (Stream<Path> walk = Files.walk(root)) {
      paths = walk.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path path : paths) {
      Files.deleteIfExists(path);
    }
  }

  /** Collects what an entry is made from into its name. */
  static final class Key {
    private final MessageDigest digest;

    Key() {
      try {
        digest = MessageDigest.getInstance("SHA-256");
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException("every Java runtime has SHA-256", e);
      }
    }

    Key add(String text) {
      digest.update((text + "\0").getBytes(StandardCharsets.UTF_8));
      return this;
    }

    Key addFile(Path file) throws IOException {
      add(file.getFileName() + " " + Files.size(file));
      byte[] buffer = new byte[1 << 16];
      try (InputStream in = Files.newInputStream(file)) {
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
          digest.update(buffer, 0, n);
        }
      }
      return this;
    }

    /** 16 hexadecimal digits. Ends the key. */
    String name() {
      return HexFormat.of().formatHex(digest.digest(), 0, 8);
    }
  }
}
