package lockstep.testvms.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LabCacheTest {
  @Test
  void anEntryIsMadeOnceAndFoundAgain(@TempDir Path directory) throws Exception {
    AtomicInteger made = new AtomicInteger();
    for (int i = 0; i < 2; i++) {
      Path entry =
          new LabCache(directory)
              .get("x", path -> Files.writeString(path, "content " + made.incrementAndGet()));
      assertEquals("content 1", Files.readString(entry));
    }
  }

  @Test
  void aFailureLeavesNothingBehind(@TempDir Path directory) throws Exception {
    LabCache cache = new LabCache(directory);
    assertThrows(
        IOException.class,
        () ->
            cache.get(
                "x",
                path -> {
                  Files.createDirectory(path);
                  Files.writeString(path.resolve("half"), "made");
                  throw new IOException("planted");
                }));
    try (Stream<Path> left = Files.list(directory)) {
      assertEquals(0, left.count());
    }
  }

  @Test
  void twoMakersAtOnceLeaveOneEntry(@TempDir Path directory) throws Exception {
    LabCache cache = new LabCache(directory);
    Path entry =
        cache.get(
            "x",
            slow -> {
              cache.get("x", fast -> Files.writeString(fast, "same"));
              Files.writeString(slow, "same");
            });
    assertEquals("same", Files.readString(entry));
    try (Stream<Path> left = Files.list(directory)) {
      assertEquals(1, left.count());
    }
  }

  @Test
  void aNameTellsContentsApart(@TempDir Path directory) throws Exception {
    Path file = Files.writeString(directory.resolve("f"), "one");
    String one = new LabCache.Key().addFile(file).name();
    assertEquals(one, new LabCache.Key().addFile(file).name());
    Files.writeString(file, "two");
    assertNotEquals(one, new LabCache.Key().addFile(file).name());
    assertNotEquals(
        new LabCache.Key().add("ab").add("c").name(), new LabCache.Key().add("a").add("bc").name());
  }
}
