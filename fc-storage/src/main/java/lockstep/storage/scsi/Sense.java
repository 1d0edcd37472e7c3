package lockstep.storage.scsi;

import lockstep.monitor.state.Bytes;

/**
 * Why a command was not carried out (SPC-4, 4.5).
 *
 * @param key the kind, 0..15
 * @param code additional sense code and its qualifier, as {@code 0xASCQ}
 */
public record Sense(int key, int code) {
  /** No sense data. */
  public static final Sense NONE = new Sense(0, 0);

  /** The unit is not ready. */
  public static final int NOT_READY = 0x2;

  /** The medium is damaged. */
  public static final int MEDIUM_ERROR = 0x3;

  /** The unit is damaged. */
  public static final int HARDWARE_ERROR = 0x4;

  /** The command, or a field of it, is not supported. */
  public static final int ILLEGAL_REQUEST = 0x5;

  /** Something has changed since the last command. */
  public static final int UNIT_ATTENTION = 0x6;

  /** The medium may not be written. */
  public static final int DATA_PROTECT = 0x7;

  /** The unit gave the command up. */
  public static final int ABORTED_COMMAND = 0xb;

  private static final int FIXED = 0x70;
  private static final int FIXED_DEFERRED = 0x71;
  private static final int DESCRIPTOR = 0x72;
  private static final int DESCRIPTOR_DEFERRED = 0x73;
  private static final int FIXED_BYTES = 14;
  private static final int DESCRIPTOR_BYTES = 4;

  private static final int BECOMING_READY = 0x0401;
  private static final int RESET_CODES = 0x29;
  private static final int CAPACITY_CHANGED = 0x2a09;
  private static final int REPORTED_LUNS_CHANGED = 0x3f0e;

  /** Reads sense data in either format; {@link #NONE} when it is neither, or too short. */
  public static Sense parse(Bytes raw) {
    int format = raw.size() == 0 ? 0 : raw.at(0) & 0x7f;
    if ((format == FIXED || format == FIXED_DEFERRED) && raw.size() >= FIXED_BYTES) {
      return new Sense(raw.at(2) & 0xf, raw.at(12) << 8 | raw.at(13));
    }
    if ((format == DESCRIPTOR || format == DESCRIPTOR_DEFERRED) && raw.size() >= DESCRIPTOR_BYTES) {
      return new Sense(raw.at(1) & 0xf, raw.at(2) << 8 | raw.at(3));
    }
    return NONE;
  }

  /**
   * Whether, with {@link #UNIT_ATTENTION}, the unit may have forgotten its reservations, or has
   * changed them (SPC-4, table 48): power on or reset, or reservations or registrations preempted
   * or released.
   */
  public boolean reservationsInDoubt() {
    return code >>> 8 == RESET_CODES || (code >= 0x2a03 && code <= 0x2a05);
  }

  /** Whether the unit is on its way to be ready. */
  boolean becomingReady() {
    return key == NOT_READY && code == BECOMING_READY;
  }

  /** One phrase for people. */
  public String text() {
    String kind =
        switch (key) {
          case NOT_READY -> "not ready";
          case MEDIUM_ERROR -> "medium error";
          case HARDWARE_ERROR -> "hardware error";
          case ILLEGAL_REQUEST -> "illegal request";
          case UNIT_ATTENTION -> "unit attention";
          case DATA_PROTECT -> "write protected";
          case ABORTED_COMMAND -> "command aborted";
          default -> "sense key 0x%x".formatted(key);
        };
    String detail = detail();
    return detail.isEmpty() ? "%s (code 0x%04x)".formatted(kind, code) : kind + ": " + detail;
  }

  private String detail() {
    return switch (code) {
      case BECOMING_READY -> "becoming ready";
      case 0x2000 -> "the command is not known there";
      case 0x2100 -> "beyond the end of the disk";
      case 0x2400 -> "a field of the command is refused";
      case 0x2500 -> "no such LUN";
      case 0x2600, 0x2602 -> "a parameter is refused";
      case 0x2700 -> "write protected";
      case 0x2900, 0x2901, 0x2902, 0x2903 -> "power on or reset";
      case 0x2a03 -> "reservations preempted";
      case 0x2a04 -> "reservations released";
      case 0x2a05 -> "registrations preempted";
      case CAPACITY_CHANGED -> "its size has changed";
      case 0x3a00 -> "no medium";
      case REPORTED_LUNS_CHANGED -> "LUNs were added or removed";
      case 0x5504 -> "no room for another registration";
      default -> "";
    };
  }
}
