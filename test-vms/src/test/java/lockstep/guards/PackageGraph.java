package lockstep.guards;

import com.tngtech.archunit.core.domain.JavaClasses;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Which package uses which, and what their pages say of it (docs/architecture.md). Read from the
 * sources, for a constant leaves no trace in the bytecode, and from the bytecode, for a type that
 * is only passed on has no import. Packages have their names below {@code lockstep}.
 */
final class PackageGraph {
  private static final String PAGE = "package-info.java";
  private static final String LIST = "[a-z]+(?:\\.[a-z]+)*(?:, [a-z]+(?:\\.[a-z]+)*)*";
  private static final Pattern MAY_IMPORT = Pattern.compile("May import: (" + LIST + ")\\.(?: |$)");

  /** What is no code: strings and comments, in the order in which they begin. */
  private static final Pattern NO_CODE =
      Pattern.compile(
          "\"\"\"[\\s\\S]*?\"\"\"|\"(?:\\\\.|[^\"\\\\\\n])*\"|'(?:\\\\.|[^'\\\\\\n])+'"
              + "|/\\*[\\s\\S]*?\\*/|//[^\\n]*|\\bpackage [\\w.]+;");

  private static final Pattern NAME = Pattern.compile("\\blockstep((?:\\.\\w+)+)");

  private final Map<String, Set<String>> uses = new TreeMap<>();
  private final Map<String, String> pages = new TreeMap<>();

  /**
   * Reads them.
   *
   * @param sourceRoots directories that hold {@code lockstep/}
   * @param classes of these packages
   */
  PackageGraph(List<Path> sourceRoots, JavaClasses classes) throws IOException {
    Map<Path, String> files = new TreeMap<>();
    for (Path root : sourceRoots) {
      Path top = root.resolve("lockstep");
      try (Stream<Path> all = Files.walk(top)) {
        for (Path file : all.filter(path -> path.toString().endsWith(".java")).toList()) {
          Path directory = top.relativize(file.resolveSibling("."));
          files.put(file, directory.normalize().toString().replace('/', '.'));
        }
      }
    }
    files.values().forEach(name -> uses.put(name, new TreeSet<>()));
    for (Map.Entry<Path, String> file : files.entrySet()) {
      String text = Files.readString(file.getKey());
      if (file.getKey().endsWith(PAGE)) {
        pages.put(file.getValue(), text.replaceAll("\\s*\\n \\*\\s*", " "));
      } else {
        readNames(file.getValue(), NO_CODE.matcher(text).replaceAll(" "));
      }
    }
    readBytecode(classes);
  }

  private void readNames(String user, String code) {
    for (Matcher name = NAME.matcher(code); name.find(); ) {
      add(user, name.group(1).substring(1));
    }
  }

  private void readBytecode(JavaClasses classes) {
    classes.stream()
        .flatMap(type -> type.getDirectDependenciesFromSelf().stream())
        .filter(used -> used.getTargetClass().getPackageName().startsWith("lockstep."))
        .forEach(
            used ->
                add(
                    below(used.getOriginClass().getPackageName()),
                    below(used.getTargetClass().getPackageName())));
  }

  private static String below(String packageName) {
    return packageName.substring("lockstep.".length());
  }

  /** The package of a name is the longest that there is, for a class may be in small letters. */
  private void add(String user, String name) {
    String used = name;
    while (!uses.containsKey(used)) {
      if (!used.contains(".")) {
        throw new IllegalArgumentException(user + " uses " + name + ", which has no sources here");
      }
      used = used.substring(0, used.lastIndexOf('.'));
    }
    Set<String> known = uses.get(user);
    if (known == null) {
      throw new IllegalArgumentException(user + " has no sources here");
    }
    if (!used.equals(user)) {
      known.add(used);
    }
  }

  Set<String> packages() {
    return uses.keySet();
  }

  /** What a package's page should say. */
  String sentence(String name) {
    Set<String> used = uses.getOrDefault(name, Set.of());
    return "May import: " + (used.isEmpty() ? "nothing" : String.join(", ", used)) + ".";
  }

  /** Where a package's page and its code differ, one line each. */
  List<String> differences(String name) {
    Matcher sentence = MAY_IMPORT.matcher(pages.getOrDefault(name, ""));
    if (!sentence.find()) {
      return List.of(name + " has no page with a sentence such as \"May import: kvm, sys.\"");
    }
    Set<String> listed =
        sentence.group(1).equals("nothing")
            ? Set.of()
            : Stream.of(sentence.group(1).split(", "))
                .collect(Collectors.toCollection(TreeSet::new));
    Set<String> used = uses.getOrDefault(name, Set.of());
    return Stream.concat(
            used.stream()
                .filter(one -> !listed.contains(one))
                .map(one -> name + " uses " + one + ", which its page does not list"),
            listed.stream()
                .filter(one -> !used.contains(one))
                .map(one -> name + " does not use " + one + ", which its page lists"))
        .toList();
  }

  /** Packages that lead back to themselves, such as {@code a -> b -> a}. */
  List<String> cycles() {
    return uses.keySet().stream().map(this::cycleFrom).flatMap(Optional::stream).toList();
  }

  /** The shortest way back, through later names only: a cycle is found from its first. */
  private Optional<String> cycleFrom(String start) {
    ArrayDeque<List<String>> ways = new ArrayDeque<>(List.of(List.of(start)));
    Set<String> seen = new HashSet<>();
    while (!ways.isEmpty()) {
      List<String> way = ways.remove();
      for (String next : uses.getOrDefault(way.getLast(), Set.of())) {
        List<String> further = new ArrayList<>(way);
        further.add(next);
        if (next.equals(start)) {
          return Optional.of(String.join(" -> ", further));
        }
        if (next.compareTo(start) > 0 && seen.add(next)) {
          ways.add(further);
        }
      }
    }
    return Optional.empty();
  }
}
