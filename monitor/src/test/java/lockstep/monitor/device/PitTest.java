package lockstep.monitor.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import lockstep.monitor.input.TimerPort;
import org.junit.jupiter.api.Test;

/** Intel 82C54 datasheet 231244. */
class PitTest {
  private final FakeTimer time = new FakeTimer();
  private final FakeLine line = new FakeLine();
  private final Pit pit = new Pit(time, time, line);
  private final SystemControlPort port61 = new SystemControlPort(pit);

  private void out(int port, int... values) {
    for (int value : values) {
      pit.write(port, 1, value);
    }
  }

  private void atTick(long tick) {
    time.nowNanos = PitTime.nanosAt(tick);
  }

  private int latched(int channel) {
    out(3, channel << 6);
    return pit.read(channel, 1) | pit.read(channel, 1) << 8;
  }

  private boolean out2() {
    return (port61.read(0, 1) & 0x20) != 0;
  }

  @Test
  void tickConversionIsExactBothWays() {
    Random random = new Random(8254);
    for (int i = 0; i < 100_000; i++) {
      long tick = random.nextLong(PitTime.TICKS_PER_SECOND * 86_400 * 365);
      assertEquals(tick, PitTime.ticksAt(PitTime.nanosAt(tick)));
      assertEquals(tick - 1, PitTime.ticksAt(Math.max(1, PitTime.nanosAt(tick)) - 1));
    }
  }

  @Test
  void aCounterNobodyProgrammedIsNotWaitedFor() {
    // Linux, arch/x86/lib/kaslr.c, i8254(): read-back of status and count until the null-count
    // flag is clear, before anybody programmed the counter.
    out(3, 0xc2);
    assertEquals(0, pit.read(0, 1) & 0x40, "null count after power-on");
    out(3, 0x34, 0xc2);
    assertEquals(0x40, pit.read(0, 1) & 0x40, "null count between control word and count");
  }

  @Test
  void periodicTicksDoNotDriftOverDays() {
    out(3, 0x34);
    out(0, 4773 & 0xff, 4773 >> 8);
    long ticks = 0;
    long end = 2L * 86_400 * 1_000_000_000;
    // Every tick of the first and the last second, a jump in between that is accounted for.
    while (time.deadlineNanos < 1_000_000_000) {
      time.nowNanos = time.deadlineNanos;
      pit.expired(time.nowNanos);
      pit.acknowledged();
      ticks++;
    }
    assertEquals(249, ticks);
    time.nowNanos = end;
    pit.expired(end);
    for (int i = 0; i < Pit.MAX_OWED_TICKS + 5; i++) {
      pit.acknowledged();
    }
    assertEquals(ticks + Pit.MAX_OWED_TICKS, line.rises, "the backlog is bounded");
    long passed = (PitTime.ticksAt(end) - 1) / 4773;
    assertEquals(PitTime.nanosAt(1 + (passed + 1) * 4773), time.deadlineNanos);
  }

  @Test
  void missedTicksComeOneAfterAnother() {
    out(3, 0x34);
    out(0, 0, 0);
    time.nowNanos = PitTime.nanosAt(1 + 65536L * 4);
    pit.expired(time.nowNanos);
    assertEquals(1, line.rises);
    for (int i = 0; i < 10; i++) {
      pit.acknowledged();
    }
    assertEquals(4, line.rises);
  }

  @Test
  void forgottenEdgeIsRepeatedAtTheNextPeriod() {
    out(3, 0x34);
    out(0, 0, 0);
    for (int i = 1; i <= 2000; i++) {
      time.nowNanos = time.deadlineNanos;
      pit.expired(time.nowNanos);
      assertEquals(i, line.rises, "also when the backlog is full");
    }
  }

  @Test
  void tinyPeriodDoesNotFloodTheInputs() {
    out(3, 0x34);
    out(0, 1, 0);
    assertEquals(Pit.MIN_EXPIRY_NANOS, time.deadlineNanos);
    time.nowNanos = time.deadlineNanos;
    pit.expired(time.nowNanos);
    assertEquals(2 * Pit.MIN_EXPIRY_NANOS, time.deadlineNanos);
  }

  @Test
  void controlWordStopsTheTimer() {
    out(3, 0x34);
    out(0, 0, 0x10);
    assertTrue(time.deadlineNanos < TimerPort.NEVER);
    out(3, 0x30);
    assertEquals(TimerPort.NEVER, time.deadlineNanos);
    assertFalse(line.high);
  }

  @Test
  void oneShotModesRiseOnce() {
    for (int mode : new int[] {0, 4}) {
      out(3, 0x30 | mode << 1);
      time.nowNanos = 0;
      out(0, 0xe8, 0x03);
      int before = line.rises;
      assertEquals(PitTime.nanosAt(1 + 1000 + (mode == 4 ? 1 : 0)), time.deadlineNanos);
      time.nowNanos = time.deadlineNanos;
      pit.expired(time.nowNanos);
      pit.acknowledged();
      assertEquals(before + 1, line.rises);
      assertEquals(TimerPort.NEVER, time.deadlineNanos);
      pit.reset();
    }
  }

  @Test
  void mode0CountsDownThroughZeroAndOutRisesAtTerminalCount() {
    port61.write(0, 1, 1);
    out(3, 0xb0);
    assertFalse(out2());
    out(2, 10, 0);
    atTick(1);
    assertEquals(10, latched(2));
    atTick(10);
    assertFalse(out2());
    atTick(11);
    assertTrue(out2());
    atTick(12);
    assertEquals(0xffff, latched(2));
    assertTrue(out2());
    int readings = time.readings;
    assertTrue(out2());
    assertEquals(readings, time.readings, "a finished one-shot needs no clock");
  }

  @Test
  void gateHoldsMode0AndRestartsMode2() {
    port61.write(0, 1, 1);
    out(3, 0xb0);
    out(2, 100, 0);
    atTick(41);
    port61.write(0, 1, 0);
    atTick(1000);
    assertEquals(60, latched(2));
    port61.write(0, 1, 1);
    atTick(1010);
    assertEquals(50, latched(2));
    out(3, 0xb4);
    out(2, 100, 0);
    atTick(1050);
    port61.write(0, 1, 0);
    assertTrue(out2(), "gate low forces OUT high");
    atTick(2000);
    port61.write(0, 1, 1);
    atTick(2011);
    assertEquals(90, latched(2));
  }

  @Test
  void hardwareTriggeredModesWaitForTheGate() {
    out(3, 0xb2);
    out(2, 50, 0);
    atTick(100);
    assertTrue(out2());
    port61.write(0, 1, 1);
    atTick(110);
    assertFalse(out2());
    atTick(151);
    assertTrue(out2());
    port61.write(0, 1, 0);
    out(3, 0xba);
    out(2, 50, 0);
    atTick(200);
    port61.write(0, 1, 1);
    atTick(250);
    assertTrue(out2());
    atTick(251);
    assertFalse(out2());
    atTick(252);
    assertTrue(out2());
  }

  @Test
  void mode2IsLowForOneTickAndMode3IsASquareWave() {
    port61.write(0, 1, 1);
    out(3, 0xb4);
    out(2, 5, 0);
    StringBuilder wave = new StringBuilder();
    for (int i = 1; i <= 10; i++) {
      atTick(i);
      wave.append(out2() ? '1' : '0').append(latched(2));
    }
    assertEquals("15141312011514131201", wave.toString());
    time.nowNanos = 0;
    out(3, 0xb6);
    out(2, 5, 0);
    wave.setLength(0);
    for (int i = 1; i <= 5; i++) {
      atTick(i);
      wave.append(out2() ? '1' : '0').append(latched(2));
    }
    assertEquals("1412100402", wave.toString(), "odd counts: one tick longer high than low");
  }

  @Test
  void newCountInMode2WaitsForTheEndOfThePeriod() {
    out(3, 0x34);
    out(0, 0, 4); // 1024
    atTick(100);
    out(0, 0, 8); // 2048
    assertEquals(PitTime.nanosAt(1025), time.deadlineNanos);
    atTick(1025);
    pit.expired(time.nowNanos);
    pit.acknowledged();
    assertEquals(1, line.rises);
    assertEquals(PitTime.nanosAt(1025 + 2048), time.deadlineNanos);
    atTick(1025 + 2048 * 3);
    pit.expired(time.nowNanos);
    pit.acknowledged();
    pit.acknowledged();
    pit.acknowledged();
    assertEquals(4, line.rises);
  }

  @Test
  void bcdCountsInDecimal() {
    out(3, 0x31);
    out(0, 0x00, 0x10);
    atTick(2);
    assertEquals(0x0999, latched(0));
    atTick(1002);
    assertEquals(0x9999, latched(0));
  }

  @Test
  void latchHoldsUntilReadAndReadBackGivesStatusFirst() {
    out(3, 0x34);
    out(0, 0x00, 0x20);
    atTick(11);
    out(3, 0x00);
    atTick(500);
    out(3, 0x00);
    assertEquals(0x2000 - 10, pit.read(0, 1) | pit.read(0, 1) << 8, "the second latch is ignored");
    out(3, 0xc2);
    assertEquals(0xb4, pit.read(0, 1), "OUT high, count loaded, both bytes, mode 2");
    assertEquals(0x2000 - 499, pit.read(0, 1) | pit.read(0, 1) << 8);
    out(3, 0x38);
    out(3, 0xe2);
    assertEquals(0xf8, pit.read(0, 1), "null count before a count is written");
  }

  @Test
  void port61ReadsTheClockOnlyWhileTheCounterRuns() {
    for (int i = 0; i < 100; i++) {
      assertEquals((i & 1) * 0x10, port61.read(0, 1), "the refresh bit toggles");
    }
    assertEquals(0, time.readings);
    port61.write(0, 1, 0xff);
    assertEquals(0x0f, port61.read(0, 1) & 0x0f);
  }

  @Test
  void randomGuestNeverBreaksItAndSaveRestoreKeepsTheFuture() {
    long seed = System.nanoTime();
    System.out.println("PitTest seed " + seed);
    Random random = new Random(seed);
    FakeTimer otherTime = new FakeTimer();
    FakeLine otherLine = new FakeLine();
    Pit copy = new Pit(otherTime, otherTime, otherLine);
    for (int i = 0; i < 200_000; i++) {
      if (i % 1000 == 0) {
        copy.restore(pit.save());
        otherLine.rises = line.rises;
      }
      time.nowNanos += random.nextInt(1_000_000);
      otherTime.nowNanos = time.nowNanos;
      int port = random.nextInt(4);
      int value = random.nextInt(256);
      boolean high = random.nextBoolean();
      switch (random.nextInt(6)) {
        case 0 -> assertEquals(pit.read(port, 1), copy.read(port, 1));
        case 1, 2 -> {
          pit.write(port, 1, value);
          copy.write(port, 1, value);
        }
        case 3 -> {
          pit.setGate2(high);
          copy.setGate2(high);
          assertEquals(pit.out2(), copy.out2());
        }
        case 4 -> {
          pit.acknowledged();
          copy.acknowledged();
        }
        default -> {
          pit.expired(time.nowNanos);
          copy.expired(time.nowNanos);
        }
      }
      assertEquals(time.deadlineNanos, otherTime.deadlineNanos);
      assertEquals(line.rises, otherLine.rises);
    }
    assertEquals(pit.save(), copy.save());
  }
}
