package lockstep.monitor.device;

/**
 * The clock's calendar registers: seconds since 1970 to register values and back, without
 * allocation. The proleptic Gregorian calendar, UTC, by the usual day-number arithmetic with years
 * that start in March. Values a guest should not have written roll over (day 31 of February is
 * March 2 or 3), so that every register content is some moment.
 */
final class CmosCalendar {
  static final int SECONDS = 0x00;
  static final int MINUTES = 0x02;
  static final int HOURS = 0x04;
  static final int DAY_OF_WEEK = 0x06;
  static final int DAY_OF_MONTH = 0x07;
  static final int MONTH = 0x08;
  static final int YEAR = 0x09;
  static final int CENTURY = 0x32;

  static final int SECONDS_PER_DAY = 86_400;

  private static final int BINARY = 0x04;
  private static final int HOURS_24 = 0x02;
  private static final int PM = 0x80;
  private static final int DAYS_PER_400_YEARS = 146_097;

  /** 1970-01-01 in days since 0000-03-01. */
  private static final int EPOCH_DAY = 719_468;

  /** 1970-01-01 was a Thursday; Sunday is 1. */
  private static final int EPOCH_WEEKDAY = 4;

  private CmosCalendar() {}

  /** Whether a register shows the time of day or the date. */
  static boolean isTime(int register) {
    return switch (register) {
      case SECONDS, MINUTES, HOURS, DAY_OF_WEEK, DAY_OF_MONTH, MONTH, YEAR, CENTURY -> true;
      default -> false;
    };
  }

  /**
   * Writes all calendar registers.
   *
   * @param epochSeconds since 1970-01-01 UTC
   * @param format register B
   */
  static void show(long epochSeconds, int format, byte[] registers) {
    long day = Math.floorDiv(epochSeconds, SECONDS_PER_DAY);
    int second = Math.floorMod(epochSeconds, SECONDS_PER_DAY);
    registers[SECONDS] = encode(second % 60, format);
    registers[MINUTES] = encode(second / 60 % 60, format);
    registers[HOURS] = encodeHour(second / 3600, format);
    registers[DAY_OF_WEEK] = encode(Math.floorMod(day + EPOCH_WEEKDAY, 7) + 1, format);
    long shifted = day + EPOCH_DAY;
    long era = Math.floorDiv(shifted, DAYS_PER_400_YEARS);
    int dayOfEra = Math.floorMod(shifted, DAYS_PER_400_YEARS);
    int yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
    int dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
    int marchMonth = (5 * dayOfYear + 2) / 153;
    int month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
    long year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
    registers[DAY_OF_MONTH] = encode(dayOfYear - (153 * marchMonth + 2) / 5 + 1, format);
    registers[MONTH] = encode(month, format);
    registers[YEAR] = encode(Math.floorMod(year, 100), format);
    registers[CENTURY] = encode((int) Math.floorDiv(year, 100L), format);
  }

  /** The moment that the registers show, seconds since 1970-01-01 UTC. */
  static long moment(byte[] registers, int format) {
    int month = decode(registers[MONTH], format) - 1;
    long year =
        100L * decode(registers[CENTURY], format)
            + decode(registers[YEAR], format)
            + Math.floorDiv(month, 12);
    month = Math.floorMod(month, 12) + 1;
    long marchYear = month <= 2 ? year - 1 : year;
    long era = Math.floorDiv(marchYear, 400);
    int yearOfEra = Math.floorMod(marchYear, 400);
    int dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5;
    long day =
        era * DAYS_PER_400_YEARS
            + yearOfEra * 365L
            + yearOfEra / 4
            - yearOfEra / 100
            + dayOfYear
            + decode(registers[DAY_OF_MONTH], format)
            - 1
            - EPOCH_DAY;
    return day * SECONDS_PER_DAY
        + decodeHour(registers[HOURS], format) * 3600L
        + decode(registers[MINUTES], format) * 60L
        + decode(registers[SECONDS], format);
  }

  /** A number as the format has it: BCD or binary. */
  static byte encode(int value, int format) {
    return (byte) ((format & BINARY) != 0 ? value : ((value / 10) << 4) | value % 10);
  }

  static int decode(byte register, int format) {
    int value = register & 0xff;
    return (format & BINARY) != 0 ? value : (value >> 4) * 10 + (value & 0x0f);
  }

  private static byte encodeHour(int hour, int format) {
    if ((format & HOURS_24) != 0) {
      return encode(hour, format);
    }
    int twelve = hour % 12 == 0 ? 12 : hour % 12;
    return (byte) (encode(twelve, format) | (hour >= 12 ? PM : 0));
  }

  /** An hour register; 0..23 where the guest wrote a sensible one. */
  static int decodeHour(byte register, int format) {
    if ((format & HOURS_24) != 0) {
      return decode(register, format);
    }
    return decode((byte) (register & ~PM), format) % 12 + ((register & PM) != 0 ? 12 : 0);
  }
}
