package lockstep.headers;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * One {@code headers/NAME.symbols} file: the C names taken from {@code headers/NAME.h}.
 *
 * <p>A line is a comment ({@code # text}), blank, or {@code constant NAME}, {@code struct NAME},
 * {@code union NAME}, {@code typedef NAME}. A comment that follows a blank line heads a section.
 *
 * @param header the umbrella header's name without {@code .h}
 * @param symbols the symbols in file order
 */
record SymbolList(String header, List<Symbol> symbols) {

  /**
   * One symbol taken.
   *
   * @param kind {@code constant}, {@code struct}, {@code union} or {@code typedef}
   * @param name the C name
   * @param section the heading it stands under, empty before the first heading
   */
  record Symbol(String kind, String name, String section) {}

  private static final Set<String> KINDS = Set.of("constant", "struct", "union", "typedef");

  static SymbolList read(Path file) throws IOException {
    String fileName = file.getFileName().toString();
    if (!fileName.endsWith(".symbols")) {
      throw new HeaderException("not a symbols list: " + file);
    }
    return parse(
        fileName.substring(0, fileName.length() - ".symbols".length()), Files.readAllLines(file));
  }

  static SymbolList parse(String header, List<String> lines) {
    List<Symbol> symbols = new ArrayList<>();
    Set<String> seen = new HashSet<>();
    String section = "";
    String previous = "";
    boolean blankBefore = false;
    for (String raw : lines) {
      String line = raw.strip();
      if (line.isEmpty()) {
        blankBefore = true;
        previous = "";
        continue;
      }
      if (line.startsWith("#")) {
        section = blankBefore ? line.substring(1).strip() : section;
      } else {
        List<String> words = List.of(line.split(" +", -1));
        if (words.size() != 2 || !KINDS.contains(words.getFirst())) {
          throw new HeaderException(header + ".symbols: not 'KIND NAME': " + line);
        }
        if (!seen.add(line)) {
          throw new HeaderException(header + ".symbols: listed twice: " + line);
        }
        if (line.compareTo(previous) < 0) {
          throw new HeaderException(header + ".symbols: not sorted: " + line);
        }
        previous = line;
        symbols.add(new Symbol(words.getFirst(), words.getLast(), section));
      }
      blankBefore = false;
    }
    return new SymbolList(header, List.copyOf(symbols));
  }

  List<Symbol> constants() {
    return symbols.stream().filter(s -> s.kind().equals("constant")).toList();
  }

  List<Symbol> types() {
    return symbols.stream().filter(s -> !s.kind().equals("constant")).toList();
  }
}
