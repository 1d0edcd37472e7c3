package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The guest memory of another process, reached from outside as a failing memory chip would. */
final class GuestMemoryOf {
  private static final Pattern MAPPING =
      Pattern.compile("^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0\\s*$");

  private final long pid;
  private final List<Long> starts;
  private final int sizeBytes;

  private GuestMemoryOf(long pid, List<Long> starts, int sizeBytes) {
    this.pid = pid;
    this.starts = starts;
    this.sizeBytes = sizeBytes;
  }

  /** All that may be the memory of a guest of this size. */
  static GuestMemoryOf process(long pid, int sizeBytes) throws IOException {
    List<Long> starts = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/maps"))) {
      Matcher mapping = MAPPING.matcher(line);
      if (mapping.matches()) {
        long start = Long.parseUnsignedLong(mapping.group(1), 16);
        if (Long.parseUnsignedLong(mapping.group(2), 16) - start == sizeBytes) {
          starts.add(start);
        }
      }
    }
    return new GuestMemoryOf(pid, starts, sizeBytes);
  }

  /** Replaces the first place that holds a text. */
  void change(String from, String to) throws IOException {
    try (RandomAccessFile memory = new RandomAccessFile("/proc/" + pid + "/mem", "rw")) {
      byte[] content = new byte[sizeBytes];
      for (long start : starts) {
        memory.seek(start);
        memory.readFully(content);
        int at = new String(content, ISO_8859_1).indexOf(from);
        if (at >= 0) {
          memory.seek(start + at);
          memory.write(to.getBytes(ISO_8859_1));
          return;
        }
      }
    }
    throw new IOException(
        "'%s' is in none of %d mappings of %d bytes".formatted(from, starts.size(), sizeBytes));
  }
}
