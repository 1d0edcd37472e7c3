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

  /** The kernel shows neighbours as one mapping. */
  private static final int NEIGHBOURS_BYTES = 16 << 20;

  private record Mapping(long start, int sizeBytes) {}

  private final long pid;
  private final List<Mapping> mappings = new ArrayList<>();

  private GuestMemoryOf(long pid) {
    this.pid = pid;
  }

  /** All that may hold the memory of a guest of this size. */
  static GuestMemoryOf process(long pid, int guestBytes) throws IOException {
    GuestMemoryOf memory = new GuestMemoryOf(pid);
    for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/maps"))) {
      Matcher mapping = MAPPING.matcher(line);
      if (mapping.matches()) {
        long start = Long.parseUnsignedLong(mapping.group(1), 16);
        long size = Long.parseUnsignedLong(mapping.group(2), 16) - start;
        if (size >= guestBytes && size <= guestBytes + NEIGHBOURS_BYTES) {
          memory.mappings.add(new Mapping(start, (int) size));
        }
      }
    }
    return memory;
  }

  /** Replaces a text wherever it is. */
  void change(String from, String to) throws IOException {
    int changed = 0;
    try (RandomAccessFile memory = new RandomAccessFile("/proc/" + pid + "/mem", "rw")) {
      for (Mapping mapping : mappings) {
        byte[] content = new byte[mapping.sizeBytes()];
        memory.seek(mapping.start());
        memory.readFully(content);
        String text = new String(content, ISO_8859_1);
        for (int at = text.indexOf(from); at >= 0; at = text.indexOf(from, at + 1)) {
          memory.seek(mapping.start() + at);
          memory.write(to.getBytes(ISO_8859_1));
          changed++;
        }
      }
    }
    if (changed == 0) {
      throw new IOException("'%s' is in none of %s".formatted(from, mappings));
    }
  }
}
