package lockstep.monitor.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Intel 8259A datasheet 231468, sections named at each test. */
class PicTest {
  private final Pic pic = new Pic();

  @BeforeEach
  void initializeAsLinuxDoes() {
    initialize(0x01);
  }

  private void initialize(int icw4) {
    master(0, 0x11, 1, 0x30, 1, 0x04, 1, icw4);
    slave(0, 0x11, 1, 0x38, 1, 0x02, 1, icw4);
  }

  private void master(int... pairs) {
    for (int i = 0; i < pairs.length; i += 2) {
      pic.masterPorts().write(pairs[i], 1, pairs[i + 1]);
    }
  }

  private void slave(int... pairs) {
    for (int i = 0; i < pairs.length; i += 2) {
      pic.slavePorts().write(pairs[i], 1, pairs[i + 1]);
    }
  }

  private int masterIsr() {
    master(0, 0x0b);
    return pic.masterPorts().read(0, 1);
  }

  private int masterIrr() {
    master(0, 0x0a);
    return pic.masterPorts().read(0, 1);
  }

  private void raise(int irq) {
    pic.line(irq).set(true);
  }

  @Test
  void anEdgeIsDeliveredOnceAndEndsWithEoi() {
    raise(0);
    assertTrue(pic.interruptPending());
    assertEquals(0x30, pic.acknowledge());
    assertFalse(pic.interruptPending());
    assertEquals(1, masterIsr());
    master(0, 0x20);
    assertEquals(0, masterIsr());
    assertFalse(pic.interruptPending(), "the line is still high, but there was no new edge");
    pic.line(0).set(false);
    raise(0);
    assertTrue(pic.interruptPending());
  }

  @Test
  void higherPriorityInterruptsLowerButNotTheOtherWay() {
    raise(4);
    assertEquals(0x34, pic.acknowledge());
    raise(5);
    assertFalse(pic.interruptPending());
    raise(1);
    assertEquals(0x31, pic.acknowledge());
    master(0, 0x20);
    assertEquals(0x10, masterIsr(), "a non-specific EOI ends the highest in service");
    master(0, 0x20);
    assertEquals(0x35, pic.acknowledge());
  }

  @Test
  void slaveComesThroughTheCascadeWithItsOwnVector() {
    raise(12);
    raise(8);
    assertEquals(0x38, pic.acknowledge());
    assertEquals(0x04, masterIsr());
    assertFalse(pic.interruptPending());
    slave(0, 0x60);
    master(0, 0x62);
    assertEquals(0x3c, pic.acknowledge());
  }

  @Test
  void maskHidesButRemembers() {
    master(1, 0xff);
    raise(3);
    assertFalse(pic.interruptPending());
    assertEquals(8, masterIrr());
    assertEquals(0xff, pic.masterPorts().read(1, 1));
    master(1, 0xf7);
    assertEquals(0x33, pic.acknowledge());
  }

  @Test
  void requestThatGoesAwayGivesSpurious7And15() {
    raise(3);
    pic.line(3).set(false);
    assertEquals(0x37, pic.acknowledge());
    assertEquals(0, masterIsr(), "a default IR7 sets no in-service bit");
    raise(9);
    // The slave masks after the master saw its pin: real races end the same way.
    PicState seen = pic.save();
    pic.restore(new PicState(seen.master(), withoutRequests(seen.slave())));
    assertEquals(0x3f, pic.acknowledge());
    assertEquals(4, masterIsr(), "the master did see the cascade");
  }

  private static PicChipState withoutRequests(PicChipState s) {
    return new PicChipState(
        0,
        0,
        s.imr(),
        s.isr(),
        s.elcr(),
        s.levelMode(),
        s.vectorBase(),
        s.lowestPriority(),
        s.initStep(),
        s.cascaded(),
        s.expectIcw4(),
        s.autoEoi(),
        s.fullyNested(),
        s.rotateOnAutoEoi(),
        s.specialMask(),
        s.readIsr(),
        s.poll());
  }

  @Test
  void levelTriggeredLineStaysPendingUntilItFalls() {
    pic.elcrPorts().write(1, 1, 0xff);
    assertEquals(0xde, pic.elcrPorts().read(1, 1), "IRQ 8 and 13 stay edge triggered");
    raise(11);
    assertEquals(0x3b, pic.acknowledge());
    slave(0, 0x20);
    master(0, 0x20);
    assertTrue(pic.interruptPending());
    pic.line(11).set(false);
    assertFalse(pic.interruptPending());
  }

  @Test
  void autoEoiLeavesNothingInService() {
    initialize(0x03);
    raise(9);
    raise(10);
    assertEquals(0x39, pic.acknowledge());
    assertEquals(0, masterIsr());
    assertEquals(0x3a, pic.acknowledge(), "the slave's second request is a new edge");
    assertFalse(pic.interruptPending());
  }

  @Test
  void rotationMovesTheServedInputToTheBottom() {
    raise(4);
    raise(6);
    assertEquals(0x34, pic.acknowledge());
    master(0, 0xa0); // rotate on non-specific EOI: 4 is lowest, 5 highest
    pic.line(4).set(false);
    raise(4);
    assertEquals(0x36, pic.acknowledge());
    master(0, 0xe6); // rotate on specific EOI
    assertEquals(0x34, pic.acknowledge());
    master(0, 0x20, 0, 0xc2); // set priority: 2 lowest
    raise(1);
    raise(3);
    assertEquals(0x33, pic.acknowledge());
  }

  @Test
  void specialMaskModeLetsLowerLevelsThrough() {
    raise(1);
    assertEquals(0x31, pic.acknowledge());
    raise(5);
    assertFalse(pic.interruptPending());
    master(1, 0x02, 0, 0x68);
    assertEquals(0x35, pic.acknowledge());
    master(0, 0x20);
    assertEquals(0x02, masterIsr(), "a masked in-service bit survives a non-specific EOI");
    master(0, 0x48);
    raise(6);
    assertFalse(pic.interruptPending());
  }

  @Test
  void specialFullyNestedModeLetsTheSlaveInterruptItself() {
    initialize(0x11);
    raise(12);
    assertEquals(0x3c, pic.acknowledge());
    raise(8);
    assertEquals(0x38, pic.acknowledge());
  }

  @Test
  void pollCommandAcknowledges() {
    raise(5);
    master(0, 0x0c);
    assertEquals(0x85, pic.masterPorts().read(0, 1));
    assertEquals(0x20, masterIsr());
    master(0, 0x0c);
    assertEquals(0, pic.masterPorts().read(0, 1));
  }

  @Test
  void listenerHearsOfEachAcknowledge() {
    int[] heard = new int[1];
    pic.onAcknowledge(0, () -> heard[0]++);
    raise(0);
    pic.acknowledge();
    pic.acknowledge();
    assertEquals(1, heard[0], "a spurious interrupt is not one of the line's");
    assertThrows(IllegalArgumentException.class, () -> pic.line(2));
    assertThrows(IllegalArgumentException.class, () -> pic.line(16));
  }

  @Test
  void randomGuestNeverBreaksItAndSaveRestoreKeepsTheFuture() {
    long seed = System.nanoTime();
    System.out.println("PicTest seed " + seed);
    Random random = new Random(seed);
    Pic copy = new Pic();
    for (int i = 0; i < 200_000; i++) {
      if (i % 1000 == 0) {
        copy.restore(pic.save());
      }
      int what = random.nextInt(5);
      int a = random.nextInt(16);
      int value = random.nextInt(256);
      assertEquals(step(pic, what, a, value), step(copy, what, a, value));
    }
    assertEquals(pic.save(), copy.save());
  }

  private static int step(Pic pic, int what, int a, int value) {
    switch (what) {
      case 0 -> pic.line(a == 2 ? 3 : a).set((value & 1) != 0);
      case 1 -> (a < 8 ? pic.masterPorts() : pic.slavePorts()).write(a & 1, 1, value);
      case 2 -> pic.elcrPorts().write(a & 1, 1, value);
      case 3 -> {
        return (a < 8 ? pic.masterPorts() : pic.slavePorts()).read(a & 1, 1);
      }
      default -> {
        return pic.interruptPending() ? pic.acknowledge() : -1;
      }
    }
    return 0;
  }
}
