package lockstep.guards;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The words that are replaced in pages and messages, and what is written instead. This is the only
 * list; docs/style.md has a few of them for its readers. Code in pages is not looked at: it quotes
 * what the program prints.
 */
final class ReplacedWords {
  /**
   * A word of the list.
   *
   * @param pattern finds it; white space in it may be a line break
   * @param instead what to write
   * @param example a sentence that has it
   */
  record Replaced(Pattern pattern, String instead, String example) {
    private static Replaced of(String regex, String instead, String example) {
      int flags = Pattern.CASE_INSENSITIVE;
      return new Replaced(
          Pattern.compile("\\b(?:" + regex.replace(" ", "\\s+") + ")\\b", flags), instead, example);
    }
  }

  static final List<Replaced> LIST =
      List.of(
          Replaced.of(
              "behind",
              "after (in time or sequence); lags; at",
              "The backup is behind the primary."),
          Replaced.of(
              "stands(?! for)|stood",
              "is paused, is stopped, is blocked; exists",
              "The guest stood for 40 ms."),
          Replaced.of(
              "(?:go|goes|going|gone|went) on",
              "continues, runs on, takes over",
              "The backup goes\non alone."),
          Replaced.of(
              "(?:ends?|ended|ending|over|an end|leaves),? in order(?! to)",
              "orderly, or: has ended and the log says so",
              "A pair that ended in order."),
          Replaced.of("mend|mends|mended", "fixed", "Mended: a lease was lost."),
          Replaced.of(
              "nobody|somebody|anybody|whoever",
              "the part or the person that acts",
              "Nobody reads the console."),
          Replaced.of(
              "without a word", "closed the connection; silently", "The peer hung without a word."),
          Replaced.of(
              "hung up", "closed the connection", "The other side hung up after the frame."),
          Replaced.of(
              "beside", "next to; compared with; besides, other than", "A file beside the image."),
          Replaced.of("anew", "again", "The state is copied anew."),
          Replaced.of("astray", "diverged, damaged, lost", "A backup that went astray."),
          Replaced.of("as ever", "as usual, as before", "It is decided as ever."),
          Replaced.of(
              "gets on|(?:does|do|did) not get on",
              "makes progress",
              "A backup that does not get on."),
          Replaced.of(
              "makes? no sense", "is invalid, cannot be parsed", "A section that makes no sense."));

  /** Pages at the top; all others are below docs. */
  private static final List<String> PAGES =
      List.of("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "test-vms/README.md");

  /** Where the string literals of Java sources are looked at. To be continued. */
  static final List<String> SOURCES =
      List.of("kvm-bindings/src/main/java", "monitor/src/main/java", "fc-storage/src/main/java");

  /** Code: a fenced block, an indented line, or what is between back quotes. */
  private static final Pattern CODE = Pattern.compile("(?ms)^```.*?^```$|^ {4}[^\\n]*$|`[^`]*+`");

  /** What has to be told apart to find string literals; group 1 or 2 is the text of one. */
  private static final Pattern TOKEN =
      Pattern.compile(
          "//[^\\n]*+|(?s:/\\*.*?\\*/)|\"\"\"((?s:.*?))\"\"\""
              + "|\"([^\"\\\\\\n]*+(?:\\\\.[^\"\\\\\\n]*+)*+)\""
              + "|'(?:[^'\\\\\\n]|\\\\[^'\\n]*|\\\\')'");

  private static final Pattern JOINED = Pattern.compile("\\s*\\+\\s*");

  private ReplacedWords() {}

  /** What is found in all pages and sources of a tree: a line each, with what to write. */
  static List<String> inTree(Path root) throws IOException {
    List<String> found = new ArrayList<>();
    for (Path page : pages(root)) {
      found.addAll(inPage(root.relativize(page).toString(), Files.readString(page)));
    }
    for (String directory : SOURCES) {
      for (Path source : below(root.resolve(directory), ".java")) {
        found.addAll(inSource(root.relativize(source).toString(), Files.readString(source)));
      }
    }
    return found;
  }

  static List<Path> pages(Path root) throws IOException {
    List<Path> pages = new ArrayList<>();
    for (String page : PAGES) {
      if (Files.exists(root.resolve(page))) {
        pages.add(root.resolve(page));
      }
    }
    pages.addAll(below(root.resolve("docs"), ".md"));
    return pages;
  }

  private static List<Path> below(Path directory, String suffix) throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      return files.filter(file -> file.toString().endsWith(suffix)).sorted().toList();
    }
  }

  /** What is found in a page's prose. */
  static List<String> inPage(String name, String markdown) {
    // Line breaks stay, so that lines can be counted.
    String prose =
        CODE.matcher(markdown).replaceAll(code -> code.group().replaceAll("[^\\n]", "_"));
    return find(name, 0, prose);
  }

  /** What is found in the string literals of a Java source; those joined by a plus are one. */
  static List<String> inSource(String name, String java) {
    List<String> found = new ArrayList<>();
    StringBuilder text = new StringBuilder();
    int start = 0;
    int end = 0;
    Matcher token = TOKEN.matcher(java);
    while (token.find()) {
      String literal = token.group(1) != null ? token.group(1) : token.group(2);
      if (literal != null) {
        if (!JOINED.matcher(java.substring(end, token.start())).matches()) {
          found.addAll(find(name, linesBefore(java, start), text.toString()));
          text.setLength(0);
          start = token.start();
        }
        text.append(literal);
        end = token.end();
      }
    }
    found.addAll(find(name, linesBefore(java, start), text.toString()));
    return found;
  }

  private static List<String> find(String name, int linesBefore, String text) {
    List<String> found = new ArrayList<>();
    for (Replaced word : LIST) {
      Matcher matcher = word.pattern().matcher(text);
      while (matcher.find()) {
        found.add(
            "%s:%d: \"%s\": write: %s"
                .formatted(
                    name,
                    linesBefore + linesBefore(text, matcher.start()) + 1,
                    matcher.group().replaceAll("\\s+", " "),
                    word.instead()));
      }
    }
    return found;
  }

  private static int linesBefore(String text, int position) {
    return (int) text.substring(0, position).chars().filter(letter -> letter == '\n').count();
  }
}
