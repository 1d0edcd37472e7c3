package lockstep.guards;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Pages and messages have none of the replaced words, and each word that is planted is found. */
class ReplacedWordsTest {
  private static final Path ROOT = Path.of("..");

  @Test
  void pagesAndMessagesHaveNoReplacedWord() throws IOException {
    List<Path> pages = ReplacedWords.pages(ROOT);
    assertTrue(pages.contains(ROOT.resolve("docs").resolve("architecture.md")), "pages: " + pages);
    List<String> found = ReplacedWords.inTree(ROOT);
    assertEquals(List.of(), found, () -> String.join("\n", found));
  }

  @TestFactory
  Stream<DynamicTest> plantedWordIsFoundInAPageAndInALiteral() {
    return ReplacedWords.LIST.stream()
        .map(
            word ->
                DynamicTest.dynamicTest(
                    word.pattern().pattern(),
                    () -> {
                      assertOne(word, ReplacedWords.inPage("a.md", word.example()));
                      String literal = word.example().replace("\n", " \"\n + \"");
                      assertOne(
                          word,
                          ReplacedWords.inSource("A.java", "String a = \"" + literal + "\";"));
                    }));
  }

  private static void assertOne(ReplacedWords.Replaced word, List<String> found) {
    assertTrue(
        found.stream().anyMatch(line -> line.endsWith(word.instead())),
        () -> "not found in: " + word.example() + "; found: " + found);
  }

  @Test
  void plantedWordIsFoundInATreeWithItsLine(@TempDir Path root) throws IOException {
    plant(root, "README.md", "# A page\n\nThe backup goes\non alone.\n");
    plant(root, "docs/adr/0001-planted.md", "Mended.\n");
    for (String sources : ReplacedWords.SOURCES) {
      plant(root, sources + "/planted/Source.java", "class Source {}\n");
    }
    plant(
        root,
        ReplacedWords.SOURCES.getFirst() + "/planted/Speaks.java",
        "class Speaks {\n  String a = \"nobody\"; // somebody\n}\n");
    assertEquals(
        List.of(
            "README.md:3: \"goes on\": write: continues, runs on, takes over",
            "docs/adr/0001-planted.md:1: \"Mended\": write: fixed",
            ReplacedWords.SOURCES.getFirst()
                + "/planted/Speaks.java:2: \"nobody\": write: the part or the person that acts"),
        ReplacedWords.inTree(root));
  }

  private static void plant(Path root, String name, String text) throws IOException {
    Path file = root.resolve(name);
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
  }

  @Test
  void quotedOutputAndCommentsAreLeftAlone() {
    assertEquals(
        List.of(),
        ReplacedWords.inPage(
            "a.md",
            "It prints `goes on`.\n\n```\nthe guest stood\n```\n\n    behind\n\n1 stands for a fault.\n"));
    assertEquals(
        List.of(),
        ReplacedWords.inSource(
            "A.java",
            "/** Nobody's. */ class A { // behind\n char a = '\"'; /* mended */ char b = '\\''; }"));
  }
}
