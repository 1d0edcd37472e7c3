package lockstep.monitor.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Random;
import lockstep.monitor.input.TimerPort;
import org.junit.jupiter.api.Test;

/** Motorola MC146818A, and what Linux's drivers/rtc/rtc-mc146818-lib.c asks of it. */
class CmosRtcTest {
  private static final long SECOND = 1_000_000_000L;
  private static final LocalDateTime START = LocalDateTime.of(2026, 11, 23, 21, 59, 58);

  private final FakeTimer time = new FakeTimer();
  private final FakeLine line = new FakeLine();
  private final CmosRtc rtc = new CmosRtc(time, time, line, START.toEpochSecond(ZoneOffset.UTC));

  private int in(int register) {
    rtc.write(0, 1, register);
    return rtc.read(1, 1);
  }

  private void out(int register, int value) {
    rtc.write(0, 1, register);
    rtc.write(1, 1, value);
  }

  private static int fromBcd(int value) {
    return (value >> 4) * 10 + (value & 15);
  }

  private LocalDateTime shown() {
    return LocalDateTime.of(
        fromBcd(in(0x32)) * 100 + fromBcd(in(9)),
        fromBcd(in(8)),
        fromBcd(in(7)),
        fromBcd(in(4)),
        fromBcd(in(2)),
        fromBcd(in(0)));
  }

  @Test
  void linuxReadsTheTimeWithoutWaiting() {
    assertEquals(0, in(0x0a) & 0x80);
    assertEquals(0x02, in(0x0b), "BCD, 24 hours");
    assertEquals(0x80, in(0x0d), "battery");
    assertEquals(START, shown());
    assertEquals(2, in(6), "Monday");
    time.nowNanos = 3 * SECOND;
    assertEquals(START.plusSeconds(3), shown());
  }

  @Test
  void staticRegistersCostNoClockReading() {
    for (int register = 0; register < CmosRtc.REGISTERS; register++) {
      boolean live = CmosCalendar.isTime(register) || register == 0x0a || register == 0x0c;
      int before = time.readings;
      in(register);
      assertEquals(live ? 1 : 0, time.readings - before, "register " + register);
    }
    out(0x0b, 0x82);
    int before = time.readings;
    shown();
    in(0x0a);
    assertEquals(before, time.readings, "the calendar stands still");
  }

  @Test
  void updateInProgressWarnsBeforeTheSecondChanges() {
    time.nowNanos = SECOND - 244_001;
    assertEquals(0x26, in(0x0a));
    time.nowNanos = SECOND - 244_000;
    assertEquals(0xa6, in(0x0a));
    assertEquals(0x58, in(0));
    time.nowNanos = SECOND;
    assertEquals(0x26, in(0x0a));
    assertEquals(0x59, in(0));
    out(0x0b, 0x82);
    time.nowNanos = 2 * SECOND - 1;
    assertEquals(0x26, in(0x0a), "no update is coming while SET is on");
  }

  @Test
  void linuxSetsTheTime() {
    time.nowNanos = 700_000_000;
    out(0x0b, 0x82);
    out(0x0a, 0x76);
    int[] registers = {9, 8, 7, 4, 2, 0, 0x32};
    int[] values = {0x00, 0x02, 0x28, 0x23, 0x59, 0x59, 0x20};
    for (int i = 0; i < registers.length; i++) {
      out(registers[i], values[i]);
    }
    time.nowNanos = 5 * SECOND;
    assertEquals(0x59, in(0));
    out(0x0b, 0x02);
    out(0x0a, 0x26);
    time.nowNanos += SECOND / 2 - 1;
    assertEquals(LocalDateTime.of(2000, 2, 28, 23, 59, 59), shown());
    time.nowNanos++;
    assertEquals(LocalDateTime.of(2000, 2, 29, 0, 0, 0), shown());
    out(4, 0x12);
    assertEquals(LocalDateTime.of(2000, 2, 29, 12, 0, 0), shown(), "set without SET");
  }

  @Test
  void everyFormatShowsTheSameHour() {
    for (int hour = 0; hour < 24; hour++) {
      time.nowNanos = (2 + 3600L * (2 + hour)) * SECOND; // The clock starts two seconds to ten pm.
      int twelve = hour % 12 == 0 ? 12 : hour % 12;
      out(0x0b, 0x06);
      assertEquals(hour, in(4));
      out(0x0b, 0x04);
      assertEquals(twelve | (hour >= 12 ? 0x80 : 0), in(4));
      out(0x0b, 0x00);
      assertEquals((twelve / 10 * 16 + twelve % 10) | (hour >= 12 ? 0x80 : 0), in(4));
      out(4, in(4));
      out(0x0b, 0x02);
      assertEquals(hour / 10 * 16 + hour % 10, in(4), "12 hours are read back as they are shown");
    }
  }

  @Test
  void calendarAgreesWithJavaTime() {
    Random random = new Random(146818);
    byte[] registers = new byte[CmosRtc.REGISTERS];
    for (int i = 0; i < 100_000; i++) {
      long moment = random.nextLong(253_402_300_800L);
      int format = random.nextInt(4) << 1;
      CmosCalendar.show(moment, format, registers);
      assertEquals(moment, CmosCalendar.moment(registers, format));
      LocalDateTime date = LocalDateTime.ofEpochSecond(moment, 0, ZoneOffset.UTC);
      assertEquals(date.getDayOfMonth(), CmosCalendar.decode(registers[7], format));
      assertEquals(date.getMonthValue(), CmosCalendar.decode(registers[8], format));
      assertEquals(date.getDayOfWeek().getValue() % 7 + 1, registers[6]);
    }
    assertThrows(IllegalArgumentException.class, () -> new CmosRtc(time, time, line, -1));
  }

  private void expire() {
    time.nowNanos = time.deadlineNanos;
    time.deadlineNanos = TimerPort.NEVER;
    rtc.expired(time.nowNanos);
  }

  @Test
  void updateInterruptComesEverySecondAndOnlyWhenEnabled() {
    assertEquals(TimerPort.NEVER, time.deadlineNanos);
    time.nowNanos = 5;
    out(0x0b, 0x12);
    for (int i = 1; i < 4; i++) {
      assertEquals(i * SECOND, time.deadlineNanos);
      assertFalse(line.high);
      expire();
      assertTrue(line.high);
      assertEquals(TimerPort.NEVER, time.deadlineNanos, "nothing to do until it is acknowledged");
      assertEquals(0x90, in(0x0c) & 0xb0);
      assertFalse(line.high);
      assertEquals(0x00, in(0x0c));
    }
    out(0x0b, 0x92);
    assertEquals(0x82, in(0x0b), "SET clears UIE");
    assertEquals(TimerPort.NEVER, time.deadlineNanos);
  }

  @Test
  void alarmComesAtItsTimeAndWildcardsRepeat() {
    out(5, 0x22);
    out(3, 0x00);
    out(1, 0x05);
    assertEquals(TimerPort.NEVER, time.deadlineNanos);
    out(0x0b, 0x22);
    assertEquals(7 * SECOND, time.deadlineNanos);
    expire();
    assertEquals(0xa0, in(0x0c) & 0xa0);
    assertEquals((7 + 86_400) * SECOND, time.deadlineNanos);
    out(5, 0xff);
    assertEquals((7 + 3600) * SECOND, time.deadlineNanos);
    out(3, 0xc0);
    assertEquals((7 + 60) * SECOND, time.deadlineNanos);
    out(1, 0x75);
    assertEquals(TimerPort.NEVER, time.deadlineNanos, "there is no second 75");
  }

  @Test
  void periodicInterruptKeepsItsRate() {
    out(0x0a, 0x26);
    out(0x0b, 0x42);
    int rises = line.rises;
    while (time.deadlineNanos <= SECOND) {
      expire();
      in(0x0c);
    }
    assertEquals(1024, line.rises - rises);
    out(0x0a, 0x2f);
    assertEquals(SECOND + SECOND / 2, time.deadlineNanos);
    out(0x0a, 0x20);
    assertEquals(TimerPort.NEVER, time.deadlineNanos, "rate 0 is off");
  }

  @Test
  void resetKeepsTimeAndRamAndSilencesInterrupts() {
    out(0x40, 0x5a);
    out(0x0b, 0x12);
    expire();
    rtc.reset();
    assertFalse(line.high);
    assertEquals(TimerPort.NEVER, time.deadlineNanos);
    assertEquals(0x5a, in(0x40));
    assertEquals(START.plusSeconds(1), shown());
    rtc.preset(0x34, 0x12);
    assertEquals(0x12, in(0x34));
    assertThrows(IllegalArgumentException.class, () -> rtc.preset(0x0b, 0));
  }

  @Test
  void randomGuestNeverBreaksItAndSaveRestoreKeepsTheFuture() {
    long seed = System.nanoTime();
    System.out.println("CmosRtcTest seed " + seed);
    Random random = new Random(seed);
    FakeTimer otherTime = new FakeTimer();
    FakeLine otherLine = new FakeLine();
    CmosRtc copy = new CmosRtc(otherTime, otherTime, otherLine, 0);
    for (int i = 0; i < 200_000; i++) {
      if (i % 1000 == 0) {
        copy.restore(rtc.save());
      }
      time.nowNanos += random.nextInt(40) == 0 ? random.nextLong(SECOND) : random.nextInt(100_000);
      otherTime.nowNanos = time.nowNanos;
      if (time.deadlineNanos <= time.nowNanos) {
        rtc.expired(time.nowNanos);
        copy.expired(time.nowNanos);
      }
      int register = random.nextInt(random.nextInt(4) == 0 ? 256 : 14);
      int value = random.nextInt(256);
      rtc.write(0, 1, register);
      copy.write(0, 1, register);
      if (random.nextBoolean()) {
        rtc.write(1, 1, value);
        copy.write(1, 1, value);
      } else {
        assertEquals(rtc.read(1, 1), copy.read(1, 1));
      }
      assertEquals(line.high, otherLine.high);
      assertEquals(time.deadlineNanos, otherTime.deadlineNanos);
      assertTrue(time.deadlineNanos > time.nowNanos, "an armed deadline lies ahead");
    }
    assertEquals(rtc.save(), copy.save());
  }
}
