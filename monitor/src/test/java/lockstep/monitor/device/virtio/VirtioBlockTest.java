package lockstep.monitor.device.virtio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.device.PciConfigSpace;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.StateCodec;
import org.junit.jupiter.api.Test;

/** The disk as a driver sees it: VIRTIO 1.2, 4.1 and 5.2. */
class VirtioBlockTest {
  private static final int OK = 0;
  private static final int ERROR = 1;
  private static final int UNSUPPORTED = 2;

  private final ScriptedDriver driver = ScriptedDriver.ready(ScriptedDriver.geometry());

  private static byte[] pattern(int bytes, int value) {
    byte[] data = new byte[bytes];
    Arrays.fill(data, (byte) value);
    return data;
  }

  @Test
  void capabilitiesLeadToEveryPartOfTheWindow() {
    var pci = driver.disk.pci().function();
    assertEquals(0x1042_1af4, pci.readConfig(0, 4));
    assertEquals(0x10, pci.readConfig(6, 2) & 0x10, "a capability list");
    boolean[] found = new boolean[6];
    for (int at = pci.readConfig(0x34, 1); at != 0; at = pci.readConfig(at + 1, 1)) {
      assertEquals(9, pci.readConfig(at, 1));
      int type = pci.readConfig(at + 3, 1);
      found[type] = true;
      int offset = pci.readConfig(at + 8, 4);
      int length = pci.readConfig(at + 12, 4);
      assertTrue(offset + length <= VirtioPci.BAR_BYTES);
      assertEquals(type == 2 || type == 5 ? 20 : 16, pci.readConfig(at + 2, 1));
      assertTrue(type == 5 || length > 0, "type " + type);
    }
    assertArrayEquals(new boolean[] {false, true, true, true, true, true}, found);
    assertEquals(1, pci.readConfig(0x3d, 1), "interrupt pin A");
  }

  @Test
  void configurationTellsTheGeometry() {
    assertEquals((1 << 20) / 512, driver.config(0, 8));
    assertEquals(126, driver.config(12, 4));
    assertTrue(driver.config(8, 4) * 126 <= BlockRequest.MAX_TRANSFER_BYTES);
    assertEquals(512, driver.config(20, 4));
    assertEquals(1, driver.config(40, 4));
    assertEquals(0, driver.config(100, 4), "beyond the end");
  }

  @Test
  void windowIsReachedThroughConfigurationSpace() {
    var pci = driver.disk.pci().function();
    int at = pci.readConfig(0x34, 1);
    while (pci.readConfig(at + 3, 1) != 5) {
      at = pci.readConfig(at + 1, 1);
    }
    pci.writeConfig(at + 4, 1, 0);
    pci.writeConfig(at + 8, 4, 0x2000);
    pci.writeConfig(at + 12, 4, 4);
    assertEquals((1 << 20) / 512, pci.readConfig(at + 16, 4));
    pci.writeConfig(at + 8, 4, 20);
    pci.writeConfig(at + 12, 4, 1);
    assertEquals(15, pci.readConfig(at + 16, 1));
    pci.writeConfig(at + 16, 1, 0);
    assertEquals(0, driver.status(), "a write through it has reset the device");
    for (int offset : new int[] {-4, 1 << 30, VirtioPci.BAR_BYTES}) {
      pci.writeConfig(at + 8, 4, offset);
      pci.readConfig(at + 16, 4);
      pci.writeConfig(at + 16, 4, 0);
    }
  }

  @Test
  void featuresFollowTheGeometry() {
    assertEquals(0, BlockConfig.features(new Geometry(512, 512, true, true)) & (1 << 13));
    assertNotEquals(0, BlockConfig.features(new Geometry(512, 512, true, true)) & (1 << 5));
    assertNotEquals(0, BlockConfig.features(ScriptedDriver.geometry()) & (1 << 13));
  }

  @Test
  void featuresThatWereNotOfferedOrTheLegacyInterfaceAreRefused() {
    driver.negotiate(0xffff_ffffL);
    assertEquals(3, driver.status(), "without VERSION_1 no FEATURES_OK");
    driver.negotiate(-1L);
    assertEquals(11, driver.status());
    driver.status(0);
    driver.write(8, 4, 1);
    driver.write(12, 4, -1);
    driver.status(11);
    assertEquals(3, driver.status(), "more than was offered");
  }

  @Test
  void readPutsDataAndStatusIntoTheGuestOnlyAtItsCompletion() {
    driver.read(0, 3, 1024);
    BlockRequest.Read read = driver.only(BlockRequest.Read.class);
    assertEquals(new BlockRequest.Read(0, 3 * 512, 1024), read);
    assertEquals(0, driver.used());
    assertEquals(0xee, driver.answer(0));
    assertFalse(driver.lineHigh);
    byte[] data = pattern(1024, 0x5a);
    driver.done(read.id(), data);
    assertArrayEquals(data, driver.data(0, 1024));
    assertEquals(OK, driver.answer(0));
    assertEquals(1, driver.used());
    assertEquals(1025, driver.usedBytes(0));
    assertTrue(driver.lineHigh);
    assertEquals(8, driver.disk.pci().function().readConfig(6, 2) & 8, "interrupt status");
    assertEquals(1, driver.takeInterrupt());
    assertFalse(driver.lineHigh);
    assertEquals(0, driver.takeInterrupt());
  }

  @Test
  void writeIsCopiedOutAtItsSubmission() {
    byte[] data = pattern(512, 7);
    driver.write(0, 9, data);
    driver.ram.write(ScriptedDriver.dataOf(0), pattern(512, 8), 0, 512);
    BlockRequest.Write write = driver.only(BlockRequest.Write.class);
    assertEquals(new BlockRequest.Write(0, 9 * 512, Bytes.copyOf(data), false), write);
    driver.done(0);
    assertEquals(OK, driver.answer(0));
    assertEquals(1, driver.usedBytes(0));
  }

  @Test
  void driverThatCannotFlushGetsEveryWriteOnTheMedium() {
    driver.negotiate(~(1L << 9));
    driver.enableQueue(ScriptedDriver.SIZE);
    driver.status(15);
    driver.write(0, 0, pattern(512, 1));
    assertTrue(driver.only(BlockRequest.Write.class).fua());
  }

  @Test
  void flushDiscardAndNameAreAnswered() {
    driver.request(0, 4, 0, 0, false);
    driver.done(driver.only(BlockRequest.Flush.class).id());
    assertEquals(OK, driver.answer(0));
    driver.ram.writeLong(ScriptedDriver.dataOf(1), 8);
    driver.ram.writeInt(ScriptedDriver.dataOf(1) + 8, 16);
    driver.ram.writeInt(ScriptedDriver.dataOf(1) + 12, 0);
    driver.request(1, 11, 0, 16, false);
    BlockRequest.Discard discard = driver.only(BlockRequest.Discard.class);
    assertEquals(new BlockRequest.Discard(1, 8 * 512, 16 * 512), discard);
    driver.done(discard.id());
    assertEquals(OK, driver.answer(1));
    driver.request(2, 8, 0, 20, true);
    assertEquals(OK, driver.answer(2));
    assertEquals('l', driver.data(2, 20)[0]);
    assertEquals(List.of(), driver.requests, "the name needs no medium");
  }

  @Test
  void requestsThatTheDiskCannotDoAreErrorsAndNothingMore() {
    driver.read(0, (1 << 20) / 512, 512);
    assertEquals(ERROR, driver.answer(0), "behind the end");
    driver.read(1, (1 << 20) / 512 - 1, 1024);
    assertEquals(ERROR, driver.answer(1), "across the end");
    driver.read(2, -1, 512);
    assertEquals(ERROR, driver.answer(2), "a sector of 64 bits");
    driver.read(3, 0, 511);
    assertEquals(ERROR, driver.answer(3), "no whole block");
    driver.request(4, 77, 0, 0, false);
    assertEquals(UNSUPPORTED, driver.answer(4));
    driver.request(0, 11, 0, 32, false);
    assertEquals(ERROR, driver.answer(0), "two discards in one");
    assertEquals(List.of(), driver.requests);
    assertFalse(driver.needsReset());
    assertEquals(6, driver.used());
  }

  @Test
  void readOnlyDiskRefusesWritesAndDiscards() {
    ScriptedDriver reader = ScriptedDriver.ready(new Geometry(1 << 20, 512, true, true));
    reader.write(0, 0, pattern(512, 1));
    assertEquals(ERROR, reader.answer(0));
    reader.request(1, 11, 0, 16, false);
    assertEquals(UNSUPPORTED, reader.answer(1));
    assertEquals(List.of(), reader.requests);
  }

  @Test
  void largeBlocksWantAlignedRequests() {
    ScriptedDriver large = ScriptedDriver.ready(new Geometry(1 << 20, 4096, false, false));
    large.read(0, 1, 4096);
    assertEquals(ERROR, large.answer(0));
    large.read(1, 8, 512);
    assertEquals(ERROR, large.answer(1));
    large.read(2, 8, 4096);
    assertEquals(4096, large.only(BlockRequest.Read.class).offsetBytes());
  }

  @Test
  void failureReachesTheGuestAsAnError() {
    driver.read(0, 0, 512);
    driver.disk.completed(
        new DiskCompletion(0, 0, DiskStatus.FAILED, Bytes.copyOf(new byte[] {'x'})));
    assertEquals(ERROR, driver.answer(0));
    assertEquals(1, driver.used());
    driver.read(1, 0, 512);
    driver.done(1, pattern(100, 1));
    assertEquals(ERROR, driver.answer(1), "a backend that gives too little");
  }

  @Test
  void fencedHostStopsAndItsRequestStaysOpen() {
    driver.write(0, 0, pattern(512, 1));
    byte[] why = "reservation conflict".getBytes(java.nio.charset.StandardCharsets.UTF_8);
    driver.disk.completed(new DiskCompletion(0, 0, DiskStatus.FENCED, Bytes.copyOf(why)));
    assertEquals(List.of("reservation conflict"), driver.fenced);
    assertEquals(0, driver.used());
    assertEquals(1, driver.disk.inFlight().size());
  }

  @Test
  void overlappingRequestsGoOneAfterTheOther() {
    driver.write(0, 0, pattern(1024, 1));
    driver.read(1, 1, 512);
    driver.write(2, 1, pattern(512, 2));
    driver.read(3, 8, 512);
    driver.read(4, 8, 512);
    assertEquals(List.of(0L, 3L, 4L), driver.requests.stream().map(BlockRequest::id).toList());
    driver.requests.clear();
    driver.done(3, new byte[512]);
    assertEquals(List.of(), driver.requests);
    driver.done(0);
    assertEquals(1, driver.only(BlockRequest.Read.class).id());
    driver.done(1, new byte[512]);
    assertEquals(2, driver.only(BlockRequest.Write.class).id());
    assertEquals(3 * 3, driver.usedHead(0), "given back in the order of completion");
  }

  @Test
  void suppressedInterruptIsNotRaised() {
    driver.ram.writeShort(ScriptedDriver.AVAILABLE, 1);
    driver.read(0, 0, 512);
    driver.done(0, new byte[512]);
    assertEquals(1, driver.used());
    assertFalse(driver.lineHigh);
  }

  @Test
  void interruptPinCanBeSwitchedOff() {
    driver.read(0, 0, 512);
    driver.disk.pci().function().writeConfig(4, 2, 0x406);
    driver.done(0, new byte[512]);
    assertFalse(driver.lineHigh);
    driver.disk.pci().function().writeConfig(4, 2, 6);
    assertTrue(driver.lineHigh);
  }

  @Test
  void withoutBusMasteringNothingIsTaken() {
    driver.disk.pci().function().writeConfig(4, 2, 2);
    driver.read(0, 0, 512);
    assertEquals(List.of(), driver.requests);
    driver.disk.pci().function().writeConfig(4, 2, 6);
    driver.notifyDevice();
    driver.only(BlockRequest.Read.class);
  }

  @Test
  void indirectTableIsFollowedAndBuffersMayBeCutAnyhow() {
    long table = 0x8000;
    long at = ScriptedDriver.buffer(0);
    driver.header(at, 0, 2);
    driver.descriptor(table, 0, at, 5, ScriptedDriver.NEXT, 2);
    driver.descriptor(table, 2, at + 5, 11, ScriptedDriver.NEXT, 1);
    int writes = ScriptedDriver.NEXT | ScriptedDriver.WRITE;
    driver.descriptor(table, 1, at + 0x1000, 500, writes, 4);
    driver.descriptor(table, 4, at + 0x3000, 0, writes, 3);
    driver.descriptor(table, 3, at + 0x2000, 13, ScriptedDriver.WRITE, 0);
    driver.descriptor(ScriptedDriver.DESCRIPTORS, 5, table, 5 * 16, ScriptedDriver.INDIRECT, 0);
    driver.offer(5);
    driver.notifyDevice();
    assertEquals(new BlockRequest.Read(0, 1024, 512), driver.only(BlockRequest.Read.class));
    byte[] data = new byte[512];
    for (int i = 0; i < data.length; i++) {
      data[i] = (byte) (i * 7);
    }
    driver.done(0, data);
    byte[] found = new byte[512];
    driver.ram.read(at + 0x1000, found, 0, 500);
    driver.ram.read(at + 0x2000, found, 500, 12);
    assertArrayEquals(data, found);
    assertEquals(0, driver.ram.array()[(int) at + 0x2000 + 12], "the status");
    assertEquals(5, driver.usedHead(0));
    assertEquals(513, driver.usedBytes(0));
  }

  @Test
  void queueResetMakesOrphansThatStillHoldTheirPlaceOnTheDisk() {
    driver.write(0, 0, pattern(512, 1));
    driver.write(1, 0, pattern(512, 2));
    driver.only(BlockRequest.Write.class);
    driver.write(58, 2, 1);
    assertEquals(0, driver.read(58, 2), "over at once");
    assertEquals(0, driver.read(28, 2), "and disabled");
    driver.enableQueue(ScriptedDriver.SIZE);
    driver.read(2, 0, 512);
    assertEquals(List.of(), driver.requests, "waits for the write from before");
    driver.done(0);
    assertEquals(0, driver.used());
    assertEquals(0xee, driver.answer(0), "nobody waits for it");
    BlockRequest.Read read = driver.only(BlockRequest.Read.class);
    driver.done(read.id(), pattern(512, 1));
    assertEquals(OK, driver.answer(2));
    assertEquals(1, driver.used());
  }

  @Test
  void deviceResetForgetsEverythingButWhatIsOnItsWay() {
    driver.write(0, 0, pattern(512, 1));
    driver.status(0);
    assertEquals(0, driver.status());
    driver.done(0);
    driver.done(0);
    driver.done(99);
    assertEquals(0, driver.used());
    driver.negotiate(-1L);
    driver.enableQueue(ScriptedDriver.SIZE);
    driver.status(15);
    driver.read(0, 0, 512);
    assertEquals(1, driver.requests.getLast().id(), "numbers go on");
  }

  @Test
  void guestThatResetsWithoutEndCannotFillTheMonitor() {
    for (int i = 0; i < 2 * DiskRequests.MAX_REQUESTS; i++) {
      driver.read(0, 0, 512);
      driver.write(58, 2, 1);
      driver.enableQueue(ScriptedDriver.SIZE);
    }
    assertEquals(DiskRequests.MAX_REQUESTS, driver.disk.save().requests().size());
    driver.read(0, 0, 512);
    int handedOut = driver.requests.size();
    driver.done(0, new byte[512]);
    assertEquals(handedOut + 1, driver.requests.size(), "and goes on when there is room");
    assertFalse(driver.needsReset());
  }

  @Test
  void writesThatWaitAreBoundedInBytesToo() {
    int bytes = BlockRequest.MAX_TRANSFER_BYTES;
    long at = ScriptedDriver.buffer(0);
    driver.header(at, 1, 0);
    int next = ScriptedDriver.NEXT;
    driver.descriptor(ScriptedDriver.DESCRIPTORS, 0, at, 16, next, 1);
    driver.descriptor(ScriptedDriver.DESCRIPTORS, 1, 0x10_0000, bytes, next, 2);
    driver.descriptor(ScriptedDriver.DESCRIPTORS, 2, at, 1, ScriptedDriver.WRITE, 0);
    for (int i = 0; i < ScriptedDriver.SIZE; i++) {
      driver.offer(0);
    }
    driver.notifyDevice();
    assertEquals(ScriptedDriver.MOST_BYTES / bytes, driver.disk.save().requests().size());
    assertEquals(1, driver.requests.size(), "all to the same place");
    for (int i = 0; i < ScriptedDriver.SIZE; i++) {
      driver.done(i);
    }
    assertEquals(ScriptedDriver.SIZE, driver.used());
  }

  @Test
  void savedDiskGoesOnWithItsRequests() {
    driver.write(0, 0, pattern(512, 1));
    driver.read(1, 0, 512);
    byte[] saved = StateCodec.encode(driver.disk.save());
    ScriptedDriver copy = new ScriptedDriver(ScriptedDriver.geometry());
    System.arraycopy(driver.ram.array(), 0, copy.ram.array(), 0, ScriptedDriver.RAM_BYTES);
    copy.disk.restore(StateCodec.decode(VirtioBlockState.class, saved));
    assertArrayEquals(saved, StateCodec.encode(copy.disk.save()));
    assertEquals(List.of(), copy.requests, "a restore emits nothing");
    assertEquals(driver.requests, copy.disk.inFlight());
    assertEquals(ScriptedDriver.WINDOW, copy.disk.pci().windowAddress());
    copy.done(0);
    assertEquals(1, copy.only(BlockRequest.Read.class).id());
    copy.done(1, pattern(512, 3));
    assertArrayEquals(pattern(512, 3), copy.data(1, 512));
    assertTrue(copy.lineHigh);
  }

  @Test
  void stateOfAnotherDiskIsRefused() {
    driver.read(0, 2000, 512);
    VirtioBlockState state = driver.disk.save();
    ScriptedDriver small = new ScriptedDriver(new Geometry(512, 512, false, true));
    assertThrows(IllegalArgumentException.class, () -> small.disk.restore(state));
    DiskRequestState request = state.requests().getFirst();
    ScriptedDriver fresh = new ScriptedDriver(ScriptedDriver.geometry());
    VirtioBlockState noQueue =
        new VirtioBlockState(fresh.disk.save().transport(), 1, state.requests());
    assertThrows(IllegalArgumentException.class, () -> fresh.disk.restore(noQueue));
    assertThrows(
        IllegalArgumentException.class,
        () -> new VirtioBlockState(state.transport(), 0, List.of(request)));
  }

  @Test
  void resetTakesTheWindowAndTheInterruptAway() {
    driver.read(0, 0, 512);
    driver.done(0, new byte[512]);
    assertTrue(driver.lineHigh);
    driver.disk.reset();
    assertFalse(driver.lineHigh);
    assertEquals(PciConfigSpace.NOT_MAPPED, driver.disk.pci().windowAddress());
    assertEquals(
        new ScriptedDriver(ScriptedDriver.geometry()).disk.save().transport(),
        driver.disk.save().transport());
  }
}
