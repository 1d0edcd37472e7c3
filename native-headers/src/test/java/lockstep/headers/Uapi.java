package lockstep.headers;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lockstep.uapi.c_types;

/** The generated classes and the lists they were made from, as the tests see them. */
final class Uapi {
  private Uapi() {}

  static List<SymbolList> lists() throws IOException {
    try (Stream<Path> files = Files.list(CCompiler.HEADERS)) {
      List<Path> paths = files.filter(f -> f.toString().endsWith(".symbols")).sorted().toList();
      List<SymbolList> lists = new java.util.ArrayList<>();
      for (Path path : paths) {
        lists.add(SymbolList.read(path));
      }
      return lists;
    }
  }

  static Class<?> load(String name) {
    try {
      return Class.forName("lockstep.uapi." + name);
    } catch (ClassNotFoundException e) {
      throw new AssertionError("no class for " + name, e);
    }
  }

  /** Simple names of all top-level classes, from a directory of classes or a jar. */
  static Set<String> classNames() throws IOException, URISyntaxException {
    Path home = Path.of(c_types.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    if (Files.isDirectory(home)) {
      return classNames(home);
    }
    try (FileSystem jar = FileSystems.newFileSystem(home)) {
      return classNames(jar.getPath("/"));
    }
  }

  private static Set<String> classNames(Path root) throws IOException {
    try (Stream<Path> files = Files.list(root.resolve("lockstep/uapi"))) {
      return files
          .map(f -> f.getFileName().toString())
          .filter(f -> f.endsWith(".class") && !f.contains("$"))
          .map(f -> f.substring(0, f.length() - ".class".length()))
          .collect(Collectors.toSet());
    }
  }
}
