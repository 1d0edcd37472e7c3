package lockstep.monitor.device.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.StateCodec;
import org.junit.jupiter.api.Test;

/** What no driver should do makes the device need a reset, and the monitor go on. */
class MalformedChainTest {
  private static final int CHAINS = 100_000;
  private static final int NEXT = ScriptedDriver.NEXT;
  private static final int WRITE = ScriptedDriver.WRITE;
  private static final int INDIRECT = ScriptedDriver.INDIRECT;
  private static final long TABLE = ScriptedDriver.DESCRIPTORS;
  private static final long END = ScriptedDriver.RAM_BYTES;

  /** A device whose driver has made one chain from descriptor 0 on. */
  private static ScriptedDriver offered(Consumer<ScriptedDriver> make) {
    ScriptedDriver driver = ScriptedDriver.ready(ScriptedDriver.geometry());
    driver.header(ScriptedDriver.BUFFERS, 0, 0);
    make.accept(driver);
    driver.offer(0);
    driver.notifyDevice();
    return driver;
  }

  private static void breaks(Consumer<ScriptedDriver> make) {
    ScriptedDriver driver = offered(make);
    assertTrue(driver.needsReset());
    assertEquals(List.of(), driver.requests);
    assertEquals(2, driver.takeInterrupt(), "a change of configuration is told");
    // Dead to notifications until reset, then as new.
    driver.read(1, 0, 512);
    assertEquals(List.of(), driver.requests);
    driver.status(15);
    assertTrue(driver.needsReset(), "only a reset ends it");
    driver.negotiate(-1L);
    driver.enableQueue(ScriptedDriver.SIZE);
    driver.status(15);
    driver.read(1, 0, 512);
    driver.only(BlockRequest.Read.class);
  }

  private static void header(ScriptedDriver driver, int flags, int next) {
    driver.descriptor(TABLE, 0, ScriptedDriver.BUFFERS, 16, flags, next);
  }

  @Test
  void loopOfDescriptors() {
    breaks(driver -> header(driver, NEXT, 0));
    breaks(
        driver -> {
          header(driver, NEXT, 1);
          driver.descriptor(TABLE, 1, ScriptedDriver.BUFFERS, 16, NEXT, 0);
        });
  }

  @Test
  void nextOutsideTheTable() {
    breaks(driver -> header(driver, NEXT, ScriptedDriver.SIZE));
    breaks(driver -> header(driver, NEXT, 0xffff));
  }

  @Test
  void wildAddresses() {
    for (long address : new long[] {END, END - 8, -16, Long.MIN_VALUE, Long.MAX_VALUE}) {
      breaks(driver -> driver.descriptor(TABLE, 0, address, 16, 0, 0));
      breaks(
          driver -> {
            header(driver, NEXT, 1);
            driver.descriptor(TABLE, 1, address, 0xffff_ffffL, WRITE, 0);
          });
    }
  }

  @Test
  void readableBehindWritable() {
    breaks(
        driver -> {
          header(driver, NEXT, 1);
          driver.descriptor(TABLE, 1, ScriptedDriver.BUFFERS, 1, WRITE | NEXT, 2);
          driver.descriptor(TABLE, 2, ScriptedDriver.BUFFERS, 512, 0, 0);
        });
  }

  @Test
  void noHeaderOrNoStatus() {
    breaks(driver -> header(driver, 0, 0));
    breaks(driver -> header(driver, WRITE, 0));
    breaks(
        driver -> {
          driver.descriptor(TABLE, 0, ScriptedDriver.BUFFERS, 15, NEXT, 1);
          driver.descriptor(TABLE, 1, ScriptedDriver.BUFFERS, 1, WRITE, 0);
        });
  }

  @Test
  void indirectTablesThatCannotBe() {
    breaks(driver -> driver.descriptor(TABLE, 0, 0x8000, 0, INDIRECT, 0));
    breaks(driver -> driver.descriptor(TABLE, 0, 0x8000, 24, INDIRECT, 0));
    breaks(driver -> driver.descriptor(TABLE, 0, END, 32, INDIRECT, 0));
    breaks(driver -> driver.descriptor(TABLE, 0, 0x8000, 16 * 257, INDIRECT, 0));
    breaks(driver -> driver.descriptor(TABLE, 0, 0x8000, 32, INDIRECT | NEXT, 1));
    breaks(
        driver -> {
          driver.descriptor(TABLE, 0, 0x8000, 32, INDIRECT, 0);
          driver.descriptor(0x8000, 0, 0x8000, 32, INDIRECT, 0);
        });
  }

  @Test
  void indirectTableWithoutItsFeature() {
    ScriptedDriver driver = ScriptedDriver.ready(ScriptedDriver.geometry());
    driver.negotiate(~(1L << 28));
    driver.enableQueue(ScriptedDriver.SIZE);
    driver.status(15);
    driver.descriptor(TABLE, 0, 0x8000, 32, INDIRECT, 0);
    driver.offer(0);
    driver.notifyDevice();
    assertTrue(driver.needsReset());
  }

  @Test
  void ringIndicesThatCannotBe() {
    ScriptedDriver driver = ScriptedDriver.ready(ScriptedDriver.geometry());
    driver.ram.writeShort(ScriptedDriver.AVAILABLE + 2, ScriptedDriver.SIZE + 1);
    driver.notifyDevice();
    assertTrue(driver.needsReset());
    ScriptedDriver other = ScriptedDriver.ready(ScriptedDriver.geometry());
    other.offer(ScriptedDriver.SIZE);
    other.notifyDevice();
    assertTrue(other.needsReset());
  }

  @Test
  void queuesThatCannotBe() {
    for (int size : new int[] {0, 3, 512, 0xffff}) {
      ScriptedDriver driver = new ScriptedDriver(ScriptedDriver.geometry());
      driver.map();
      driver.negotiate(-1L);
      driver.enableQueue(size);
      assertTrue(driver.needsReset(), "size " + size);
      assertEquals(0, driver.read(28, 2));
    }
    for (int register : new int[] {32, 40, 48}) {
      for (long address : new long[] {1, END, END - 16, -16, Long.MIN_VALUE}) {
        ScriptedDriver driver = new ScriptedDriver(ScriptedDriver.geometry());
        driver.map();
        driver.negotiate(-1L);
        driver.write(register, 8, address);
        driver.write(28, 2, 1);
        assertTrue(driver.needsReset(), register + ": " + address);
      }
    }
  }

  @Test
  void readOfMoreThanARequestCarriesIsAnErrorAndCopiesNothing() {
    ScriptedDriver driver =
        offered(
            d -> {
              header(d, NEXT, 1);
              d.descriptor(TABLE, 1, 0x10_0000, 2 << 20, WRITE | NEXT, 2);
              d.descriptor(TABLE, 2, ScriptedDriver.statusOf(0), 1, WRITE, 0);
            });
    assertFalse(driver.needsReset());
    assertEquals(1, driver.answer(0));
  }

  /** Random descriptors, rings, register writes and completions; equal on two devices. */
  @Test
  void randomChainsBreakNothing() {
    long seed = System.nanoTime();
    System.out.println("MalformedChainTest seed " + seed);
    Random random = new Random(seed);
    ScriptedDriver driver = ScriptedDriver.ready(ScriptedDriver.geometry());
    int resets = 0;
    int taken = 0;
    for (int i = 0; i < CHAINS; i++) {
      if (driver.needsReset() || driver.status() != 15) {
        resets++;
        driver.negotiate(-1L);
        driver.enableQueue(ScriptedDriver.SIZE);
        driver.status(15);
      }
      driver.disk.pci().function().writeConfig(4, 2, 6);
      randomTable(random, driver);
      driver.offer(random.nextInt(64) == 0 ? random.nextInt(0x10000) : 3 * random.nextInt(2));
      driver.notifyDevice();
      taken += driver.requests.size();
      complete(random, driver);
      if (random.nextInt(32) == 0) {
        driver.write(random.nextInt(0x4000), 1 << random.nextInt(4), random.nextLong());
        driver.read(random.nextInt(0x4000), 1 << random.nextInt(4));
        driver.disk.pci().function().writeConfig(4 * random.nextInt(64), 4, random.nextInt());
      }
      if (i % 1000 == 0) {
        byte[] state = StateCodec.encode(driver.disk.save());
        driver.disk.restore(StateCodec.decode(VirtioBlockState.class, state));
      }
    }
    System.out.printf(
        "MalformedChainTest: %d chains, %d requests, %d resets%n", CHAINS, taken, resets);
    assertTrue(taken > CHAINS / 10 && resets > CHAINS / 10, "both ways are taken");
  }

  /** A read or write as it should be, in which half the time something is spoilt. */
  private static void randomTable(Random random, ScriptedDriver driver) {
    int type = random.nextInt(8) == 0 ? random.nextInt(14) : random.nextInt(2);
    int dataFlags = type == 0 ? WRITE | NEXT : NEXT;
    int dataBytes = 512 * (1 + random.nextInt(4));
    driver.header(ScriptedDriver.BUFFERS, type, random.nextInt(2100));
    for (long table : new long[] {TABLE, 0x8000}) {
      driver.descriptor(table, 0, ScriptedDriver.BUFFERS, 16, NEXT, 1);
      driver.descriptor(table, 1, ScriptedDriver.BUFFERS + 0x1000, dataBytes, dataFlags, 2);
      driver.descriptor(table, 2, ScriptedDriver.BUFFERS + 0x800, 1, WRITE, 0);
    }
    driver.descriptor(TABLE, 3, 0x8000, 3 * 16, INDIRECT, 0);
    for (int spoilt = random.nextInt(4) - 1; spoilt > 0; spoilt--) {
      driver.descriptor(
          random.nextInt(4) == 0 ? 0x8000 : TABLE,
          random.nextInt(4),
          address(random),
          length(random),
          flags(random),
          random.nextInt(8) == 0 ? random.nextInt(0x10000) : random.nextInt(8));
    }
  }

  private static long address(Random random) {
    return switch (random.nextInt(16)) {
      case 0 -> random.nextLong();
      case 1 -> END - random.nextInt(1024);
      case 2 -> 0x8000;
      case 3, 4, 5 -> ScriptedDriver.BUFFERS + random.nextInt(1 << 20);
      default -> ScriptedDriver.BUFFERS;
    };
  }

  private static long length(Random random) {
    return switch (random.nextInt(8)) {
      case 0 -> random.nextInt() & 0xffff_ffffL;
      case 1 -> 0;
      case 2 -> 1;
      case 3 -> random.nextInt(4096);
      case 4 -> 512L * random.nextInt(16);
      default -> 16;
    };
  }

  private static int flags(Random random) {
    return random.nextInt(4) == 0 ? random.nextInt(0x10000) : random.nextInt(4);
  }

  private static void complete(Random random, ScriptedDriver driver) {
    List<BlockRequest> open = List.copyOf(driver.requests);
    driver.requests.clear();
    for (BlockRequest request : open) {
      if (random.nextInt(8) == 0) {
        continue; // stays in flight until it was reset away and beyond
      }
      int length = request instanceof BlockRequest.Read read ? read.lengthBytes() : 0;
      DiskStatus status = random.nextInt(8) == 0 ? DiskStatus.FAILED : DiskStatus.DONE;
      int given = status == DiskStatus.FAILED ? 0 : length;
      driver.disk.completed(
          new DiskCompletion(0, request.id(), status, Bytes.copyOf(new byte[given])));
    }
    if (driver.disk.inFlight().size() > DiskRequests.MAX_REQUESTS / 2) {
      driver.disk.inFlight().forEach(r -> driver.disk.completed(failed(r.id())));
    }
  }

  private static DiskCompletion failed(long id) {
    return new DiskCompletion(0, id, DiskStatus.FAILED, Bytes.empty());
  }
}
