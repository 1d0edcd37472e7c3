package lockstep.monitor.snapshot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.GuestMemory.Region;
import org.junit.jupiter.api.Test;

class MemoryImageTest {
  private static final int PAGE = 4096;
  private static final long LOW = (3L << 20) + 5 * PAGE;
  private static final long SIZE = LOW + (2L << 20) + 7 * PAGE;
  private static final long HIGH_START = 1L << 32;

  private static byte[] written(GuestMemory memory, Progress progress) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    SectionWriter to = new SectionWriter(out);
    try (MemoryWriter writer = new MemoryWriter(memory, to, Packing.ALWAYS)) {
      writer.writeAll(progress);
    }
    to.end();
    return out.toByteArray();
  }

  private static byte[] written(GuestMemory memory) throws Exception {
    return written(memory, Progress.NONE);
  }

  private static void fill(GuestMemory memory, Random random) {
    byte[] page = new byte[PAGE];
    for (Region region : memory.regions()) {
      for (long at = region.start(); at < region.end(); at += PAGE) {
        switch (random.nextInt(4)) {
          case 0 -> memory.putByte(at + random.nextInt(PAGE), random.nextInt(1, 256));
          case 1 -> {
            random.nextBytes(page);
            memory.write(at, page, 0, PAGE);
          }
          case 2 -> memory.fill(at, PAGE, (byte) random.nextInt());
          default -> memory.fill(at, PAGE, (byte) 0);
        }
      }
    }
  }

  @Test
  void everyPageComesBackInBothBlocksOfMemory() throws Exception {
    long seed = System.nanoTime();
    System.out.println("MemoryImageTest seed " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 20; round++) {
      try (GuestMemory memory = GuestMemory.allocate(SIZE, LOW);
          GuestMemory copy = GuestMemory.allocate(SIZE, LOW)) {
        fill(memory, random);
        byte[] image = written(memory);
        ByteArrayInputStream in = new ByteArrayInputStream(image);
        new MemoryReader(copy, Progress.NONE).read(new SectionReader(in));
        for (Region region : memory.regions()) {
          long length = region.end() - region.start();
          assertEquals(
              memory.checksum(region.start(), length), copy.checksum(region.start(), length));
        }
        assertEquals(Bytes.of(image), Bytes.of(written(copy)));
      }
    }
  }

  /** So that two arrays compare and a difference does not print megabytes. */
  private record Bytes(int size, int hash) {
    static Bytes of(byte[] content) {
      return new Bytes(content.length, Arrays.hashCode(content));
    }
  }

  @Test
  void zeroPagesCostNothing() throws Exception {
    try (GuestMemory memory = GuestMemory.allocate(SIZE, LOW)) {
      int empty = written(memory).length;
      assertEquals(
          SectionWriter.FILE_HEADER_BYTES
              + SectionWriter.SECTION_HEADER_BYTES
              + SectionWriter.END_BYTES,
          empty);
      memory.putByte(HIGH_START + 5, 1);
      memory.putByte(HIGH_START + 9L * PAGE, 1);
      int twoPages = written(memory).length - empty;
      assertTrue(twoPages < 150, twoPages + " bytes for two pages with a bit each");
    }
  }

  @Test
  void randomMemoryGrowsByTheHeadersOnly() throws Exception {
    try (GuestMemory memory = GuestMemory.allocate(SIZE, LOW)) {
      Random random = new Random(1);
      byte[] page = new byte[PAGE];
      for (Region region : memory.regions()) {
        for (long at = region.start(); at < region.end(); at += PAGE) {
          random.nextBytes(page);
          memory.write(at, page, 0, PAGE);
        }
      }
      int more = (int) (written(memory).length - SIZE);
      assertTrue(more < 1024, more + " bytes more than the memory has");
    }
  }

  @Test
  void progressGrowsToTheWholeMemory() throws Exception {
    try (GuestMemory memory = GuestMemory.allocate(SIZE, LOW);
        GuestMemory copy = GuestMemory.allocate(SIZE, LOW)) {
      fill(memory, new Random(2));
      List<Long> steps = new ArrayList<>();
      Progress progress =
          (done, total) -> {
            assertEquals(SIZE, total);
            assertTrue(steps.isEmpty() || done >= steps.getLast(), "grows");
            steps.add(done);
          };
      byte[] image = written(memory, progress);
      assertEquals(SIZE, steps.getLast());
      assertEquals(4 + 3, steps.size(), "once a chunk");
      steps.clear();
      new MemoryReader(copy, progress).read(new SectionReader(new ByteArrayInputStream(image)));
      assertEquals(SIZE, steps.getLast());
    }
  }

  @Test
  void whatFollowsTheEndStaysInTheStream() throws Exception {
    try (GuestMemory memory = GuestMemory.allocate(SIZE, LOW);
        GuestMemory copy = GuestMemory.allocate(SIZE, LOW)) {
      memory.putByte(0, 1);
      ByteArrayOutputStream two = new ByteArrayOutputStream();
      two.write(written(memory));
      two.write('x');
      ByteArrayInputStream in = new ByteArrayInputStream(two.toByteArray());
      new MemoryReader(copy, Progress.NONE).read(new SectionReader(in));
      assertEquals('x', in.read());
    }
  }

  @Test
  void anImageOfALargerMemoryIsRefused() throws Exception {
    try (GuestMemory memory = GuestMemory.allocate(SIZE, LOW);
        GuestMemory small = GuestMemory.allocate(LOW, LOW)) {
      memory.putByte(HIGH_START, 1);
      byte[] image = written(memory);
      SnapshotException refused =
          assertThrows(
              SnapshotException.class,
              () ->
                  new MemoryReader(small, Progress.NONE)
                      .read(new SectionReader(new ByteArrayInputStream(image))));
      assertTrue(refused.problem().contains("0x100000000"), refused.problem());
    }
  }
}
