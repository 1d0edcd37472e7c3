package lockstep.replay.log;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.LongStream;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LogFileTest {
  private static final LogHeader HEADER = new LogHeader(Map.of("guest", "test", "by", "hand"));
  private static final byte[] STATE =
      "the state that the log starts from".getBytes(StandardCharsets.US_ASCII);

  @TempDir private Path directory = Path.of("");

  /** One of each kind, with the extremes of what a field takes. */
  private static List<LogEntry> allKinds() {
    byte[] page = new byte[4096];
    Arrays.fill(page, (byte) 7);
    return List.of(
        new LogEntry.Clock(0),
        new LogEntry.Clock(63),
        new LogEntry.Clock(64),
        new LogEntry.Clock(1_000_000_000_000L),
        new LogEntry.Output(0),
        new LogEntry.Entropy(Bytes.copyOf(new byte[] {7})),
        new LogEntry.Entropy(Bytes.copyOf(new byte[64])),
        new LogEntry.Point(new ExecutionPoint.AtExit(1)),
        new LogEntry.Input(new ExternalInput.TimerExpiry(1, 999_999_999_999L)),
        new LogEntry.Input(new ExternalInput.TimerExpiry(0, 1_000_000_000_001L)),
        new LogEntry.Input(new ExternalInput.ConsoleBytes(Bytes.empty())),
        new LogEntry.Input(new ExternalInput.ConsoleBytes(Bytes.copyOf(new byte[4096]))),
        new LogEntry.Delivery(0),
        new LogEntry.Delivery(255),
        new LogEntry.Point(new ExecutionPoint.Step(1, ExecutionPoint.Step.MAX_STEPS)),
        new LogEntry.Point(new ExecutionPoint.Counter(300, 1L << 40, -1, Long.MIN_VALUE, 5)),
        new LogEntry.Pages(
            List.of(
                new LogEntry.Page(0, Bytes.copyOf(page)),
                new LogEntry.Page(1L << 36, Bytes.copyOf(new byte[4096])),
                new LogEntry.Page(4096, Bytes.copyOf(page)))),
        new LogEntry.Pages(List.of(new LogEntry.Page(8192, Bytes.copyOf(page)))),
        new LogEntry.Point(
            new ExecutionPoint.StateSync(300, Bytes.copyOf(new byte[] {1, 2, 3}), 4)),
        new LogEntry.Point(new ExecutionPoint.StateSync(300, Bytes.empty(), Long.MAX_VALUE)),
        new LogEntry.Input(new ExternalInput.HostDecision(ExternalInput.Decision.RESET)),
        new LogEntry.Input(new ExternalInput.HostDecision(ExternalInput.Decision.STOP)),
        new LogEntry.ExitDigest(1L << 33, -1),
        new LogEntry.Registers(1L << 33, LongStream.range(0, 18).map(i -> -i).boxed().toList()),
        new LogEntry.MachineDigest(
            1L << 33,
            new MachineDigest(
                Bytes.copyOf(new byte[5000]), Bytes.empty(), 1 << 20, Bytes.copyOf(new byte[8]))),
        new LogEntry.End(1L << 33, LogEntry.Ending.EXIT_PORT));
  }

  private Path write(List<LogEntry> entries) throws IOException {
    Path file = directory.resolve("log");
    try (LogWriter writer = LogWriter.create(file, HEADER)) {
      try (OutputStream state = writer.stateStream()) {
        state.write(STATE);
      }
      for (LogEntry entry : entries) {
        writer.append(entry);
      }
    }
    return file;
  }

  /** What a reader gets, and how it ended. */
  private record Read(List<LogEntry> entries, boolean cut) {}

  private static Read read(Path file) throws IOException {
    return read(Files.readAllBytes(file));
  }

  private static Read read(byte[] bytes) throws IOException {
    try (LogReader reader = LogReader.read(new ByteArrayInputStream(bytes))) {
      List<LogEntry> entries = new ArrayList<>();
      while (reader.peekKind() != null && reader.peek() != null) {
        entries.add(reader.take());
      }
      return new Read(entries, reader.cut().isPresent());
    }
  }

  @Test
  void everyKindComesBackAsItWasWritten() throws Exception {
    Path file = write(allKinds());
    try (LogReader reader = LogReader.open(file)) {
      assertEquals(HEADER, reader.header());
      assertArrayEquals(STATE, reader.stateStream().readAllBytes());
    }
    assertEquals(new Read(allKinds(), false), read(file));
  }

  @Test
  void theKindsAreNumberedInTheirOrderAsTheDecoderAssumes() {
    int number = 0;
    for (LogEntry.Kind kind : LogEntry.Kind.values()) {
      assertEquals(++number, kind.wire());
    }
  }

  @Test
  void anEntryLargerThanAFrameComesBack() throws Exception {
    byte[] noise = new byte[EntryEncoder.MAX_PACKED_BYTES];
    new Random(1).nextBytes(noise);
    List<LogEntry> entries =
        List.of(
            new LogEntry.Clock(5),
            new LogEntry.MachineDigest(
                1, new MachineDigest(Bytes.copyOf(noise), Bytes.empty(), 1 << 20, Bytes.empty())),
            new LogEntry.Clock(6),
            new LogEntry.End(1, LogEntry.Ending.STOPPED));
    assertEquals(new Read(entries, false), read(write(entries)));
  }

  /** It would end the log for whoever reads it, however much comes after it. */
  @Test
  void whatNoReaderTakesIsNotWritten() throws Exception {
    Bytes tooMuch = Bytes.copyOf(new byte[EntryEncoder.MAX_PACKED_BYTES + 1]);
    Path file = directory.resolve("log");
    try (LogWriter writer = LogWriter.create(file, HEADER)) {
      writer.clock(5);
      LogEntry digest =
          new LogEntry.MachineDigest(
              1, new MachineDigest(tooMuch, Bytes.empty(), 1 << 20, Bytes.empty()));
      String why =
          assertThrows(IllegalArgumentException.class, () -> writer.append(digest)).getMessage();
      assertEquals("a block of 16777217 bytes in a log entry, with 16777216 the most", why);
      writer.append(new LogEntry.End(0, LogEntry.Ending.STOPPED));
    }
    assertEquals(
        new Read(
            List.of(new LogEntry.Clock(5), new LogEntry.End(0, LogEntry.Ending.STOPPED)), false),
        read(file));
    LogEntry.Page page = new LogEntry.Page(0, Bytes.copyOf(new byte[4096]));
    List<LogEntry.Page> many = Collections.nCopies(LogEntry.Pages.MAX_PAGES + 1, page);
    assertThrows(IllegalArgumentException.class, () -> new LogEntry.Pages(many));
  }

  /** Only the first of these loses nothing of what came in. */
  @Test
  void onlyTheEndOfTheStreamIsAnEndThatLosesNothing() throws Exception {
    List<LogEntry> entries = List.of(new LogEntry.Clock(5), new LogEntry.Output(1));
    byte[] whole = Files.readAllBytes(write(entries));
    assertTrue(endsAtStreamEnd(whole));
    assertFalse(endsAtStreamEnd(Arrays.copyOf(whole, whole.length - 1)));
    assertFalse(endsAtStreamEnd(Arrays.copyOf(whole, whole.length + 1)));
    // A body of one byte more than its entries, and one with a kind that does not exist.
    assertFalse(endsAtStreamEnd(withEntries(whole, new byte[] {(byte) 0x85, 5, 1, 5}, 2)));
    assertFalse(endsAtStreamEnd(withEntries(whole, new byte[] {(byte) 0x85, 99}, 2)));
    assertTrue(endsAtStreamEnd(withEntries(whole, new byte[] {(byte) 0x85, 5, 1}, 2)));
  }

  private static byte[] withEntries(byte[] whole, byte[] body, int entries) {
    int state = HEADER.encode().length + FrameHeader.BYTES + STATE.length;
    byte[] header =
        new FrameHeader(
                FrameHeader.Type.ENTRIES,
                body.length,
                FrameHeader.checksum(body, body.length),
                0,
                entries)
            .encode();
    byte[] made = Arrays.copyOf(whole, state + header.length + body.length);
    System.arraycopy(header, 0, made, state, header.length);
    System.arraycopy(body, 0, made, state + header.length, body.length);
    return made;
  }

  private static boolean endsAtStreamEnd(byte[] bytes) throws IOException {
    try (LogReader reader = LogReader.read(new ByteArrayInputStream(bytes))) {
      while (reader.peek() != null) {
        reader.take();
      }
      assertTrue(reader.cut().isPresent());
      return reader.isAtStreamEnd();
    }
  }

  @Test
  void theFormatIsThatOfTheGoldenFile() throws Exception {
    // A change here is a change of the format: LogHeader.VERSION and the golden file go together.
    byte[] golden;
    try (var in = LogFileTest.class.getResourceAsStream("golden-v3.hex")) {
      golden =
          HexFormat.of()
              .parseHex(
                  new String(in.readAllBytes(), StandardCharsets.US_ASCII).replaceAll("\\s", ""));
    }
    byte[] written = Files.readAllBytes(write(allKinds()));
    assertEquals(HexFormat.of().formatHex(golden), HexFormat.of().formatHex(written));
  }

  @Test
  void aLogCutAnywhereGivesItsValidPrefixAndSaysSo() throws Exception {
    List<LogEntry> all = allKinds();
    Path file = directory.resolve("log");
    try (LogWriter writer = LogWriter.create(file, HEADER)) {
      for (LogEntry entry : all) {
        writer.append(entry);
        writer.flush();
      }
    }
    byte[] whole = Files.readAllBytes(file);
    int header = HEADER.encode().length;
    for (int length = header; length < whole.length; length++) {
      Read read = read(Arrays.copyOf(whole, length));
      assertTrue(read.cut(), "not seen: cut at " + length);
      assertEquals(all.subList(0, read.entries().size()), read.entries());
    }
  }

  @Test
  void anotherVersionIsRefused() throws Exception {
    Path file = write(allKinds());
    byte[] bytes = Files.readAllBytes(file);
    bytes[8] = 1;
    Files.write(file, bytes);
    LogFormatException refused = assertThrows(LogFormatException.class, () -> LogReader.open(file));
    assertEquals("is a log of version 1, and this Lockstep reads version 3", refused.getMessage());
    assertTrue(refused.remedy().orElseThrow().contains("Lockstep that wrote it"));
  }

  @Test
  void whatIsNoLogIsRefused() throws Exception {
    Path file = directory.resolve("other");
    for (String text : List.of("", "LKST", "something else altogether", "LKSTPLOG")) {
      Files.writeString(file, text);
      assertThrows(LogFormatException.class, () -> LogReader.open(file));
    }
  }

  @Test
  void noMutationCrashesOrHangsTheReader() throws Exception {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    List<LogEntry> all = allKinds();
    byte[] whole = Files.readAllBytes(write(all));
    int refused = 0;
    int cut = 0;
    for (int round = 0; round < 100_000; round++) {
      byte[] mutant = mutate(random, whole);
      try {
        Read read = read(mutant);
        cut += read.cut() ? 1 : 0;
        if (!read.cut()) {
          assertEquals(all, read.entries(), "seed " + seed);
        }
      } catch (LogFormatException e) {
        refused++;
        assertFalse(String.valueOf(e.getMessage()).contains("\n"), e.toString());
      }
    }
    assertTrue(refused > 0 && cut > 0, "seed " + seed);
  }

  @Test
  void noEntryBytesCrashTheDecoder() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    EntryEncoder encoder = new EntryEncoder();
    allKinds().forEach(encoder::entry);
    byte[] good = Arrays.copyOf(encoder.bytes(), encoder.length());
    for (int round = 0; round < 100_000; round++) {
      byte[] mutant = mutate(random, good);
      EntryDecoder decoder = new EntryDecoder();
      decoder.reset(mutant, 0, mutant.length);
      try {
        for (int i = 0; i < 100; i++) {
          decoder.entry();
        }
      } catch (IllegalArgumentException expected) {
        assertFalse(String.valueOf(expected.getMessage()).isBlank(), "seed " + seed);
      }
    }
  }

  private static byte[] mutate(Random random, byte[] good) {
    byte[] mutant = good.clone();
    switch (random.nextInt(4)) {
      case 0 -> mutant[random.nextInt(mutant.length)] ^= (byte) (1 << random.nextInt(8));
      case 1 -> mutant[random.nextInt(mutant.length)] = (byte) random.nextInt();
      case 2 -> mutant = Arrays.copyOf(mutant, random.nextInt(mutant.length));
      default -> {
        int from = random.nextInt(mutant.length);
        int to = random.nextInt(mutant.length);
        int count = random.nextInt(mutant.length - Math.max(from, to));
        System.arraycopy(good, from, mutant, to, count);
      }
    }
    return mutant;
  }

  @Test
  void aClockReadingTakesAtMostFourBytesAtUsualDistances() {
    EntryEncoder encoder = new EntryEncoder();
    long now = 0;
    for (int i = 0; i < 1000; i++) {
      now += 10_000_000;
      encoder.clock(now);
    }
    assertTrue(encoder.length() <= 4 * 1000, encoder.length() + " bytes for 1000 readings");
  }
}
