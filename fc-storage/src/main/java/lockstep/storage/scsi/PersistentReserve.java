package lockstep.storage.scsi;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lockstep.monitor.state.Bytes;

/**
 * PERSISTENT RESERVE IN and OUT as bytes (SPC-4, 6.15 and 6.16). Scope is always the whole unit.
 * Keys are 64-bit numbers; 0 is no key.
 */
public final class PersistentReserve {
  /** What a PERSISTENT RESERVE IN asks for. */
  public enum In {
    /** All registered keys. */
    READ_KEYS(0x00),
    /** The reservation, if there is one. */
    READ_RESERVATION(0x01),
    /** What the unit supports. */
    REPORT_CAPABILITIES(0x02);

    private final int code;

    In(int code) {
      this.code = code;
    }
  }

  /** What a PERSISTENT RESERVE OUT does. */
  public enum Out {
    /** Gives this nexus's registration another key; conflict unless it has the one named. */
    REGISTER(0x00),
    /** Takes the reservation; conflict when another nexus has it. */
    RESERVE(0x01),
    /** Gives the reservation back. */
    RELEASE(0x02),
    /** Removes every registration and the reservation. */
    CLEAR(0x03),
    /** Removes the registrations with a key; takes the reservation over if one of them held it. */
    PREEMPT(0x04),
    /** The same, and ends the commands of the nexuses that lost their registration. */
    PREEMPT_AND_ABORT(0x05),
    /** Registers, whatever key this nexus had. */
    REGISTER_AND_IGNORE_EXISTING_KEY(0x06);

    private final int code;

    Out(int code) {
      this.code = code;
    }
  }

  /** Kinds of reservation (SPC-4, table 51). */
  public enum Type {
    /** Only the holder writes; everybody reads. */
    WRITE_EXCLUSIVE(0x1),
    /** Only the holder reads and writes. */
    EXCLUSIVE_ACCESS(0x3),
    /** Whoever is registered writes; everybody reads. */
    WRITE_EXCLUSIVE_REGISTRANTS_ONLY(0x5),
    /** Whoever is registered reads and writes. */
    EXCLUSIVE_ACCESS_REGISTRANTS_ONLY(0x6),
    /** As registrants only, and all of them hold it. */
    WRITE_EXCLUSIVE_ALL_REGISTRANTS(0x7),
    /** As registrants only, and all of them hold it. */
    EXCLUSIVE_ACCESS_ALL_REGISTRANTS(0x8);

    private final int code;

    Type(int code) {
      this.code = code;
    }

    static Optional<Type> of(int code) {
      for (Type type : values()) {
        if (type.code == code) {
          return Optional.of(type);
        }
      }
      return Optional.empty();
    }
  }

  /**
   * What READ KEYS found.
   *
   * @param generation counts the changes of registrations since power on, modulo 2^32
   * @param keys one for each registered nexus, equal ones as often as they are registered
   */
  public record Keys(long generation, List<Long> keys) {
    /** Keeps a copy. */
    public Keys {
      keys = List.copyOf(keys);
    }
  }

  /**
   * A reservation.
   *
   * @param key its holder's
   * @param type empty for one that SPC-4 does not know
   */
  public record Reservation(long key, Optional<Type> type) {}

  /**
   * What REPORT CAPABILITIES found.
   *
   * @param persistent whether registrations can outlast a loss of power (PTPL_C)
   * @param persistentNow whether the last registration asked for that (PTPL_A)
   * @param types the kinds of reservation; empty when the unit does not list them
   */
  public record Capabilities(boolean persistent, boolean persistentNow, List<Type> types) {
    /** Keeps a copy. */
    public Capabilities {
      types = List.copyOf(types);
    }
  }

  /** How much to ask for: room for 511 keys. */
  public static final int IN_BYTES = 4096;

  private static final int OPERATION_IN = 0x5e;
  private static final int OPERATION_OUT = 0x5f;
  private static final int CDB_BYTES = 10;
  private static final int PARAMETER_BYTES = 24;
  private static final int APTPL = 1;
  private static final int HEADER_BYTES = 8;
  private static final int KEY_BYTES = 8;
  private static final int RESERVATION_BYTES = 16;
  private static final int CAPABILITIES_BYTES = 8;

  private PersistentReserve() {}

  /** The CDB that asks for {@link #IN_BYTES}. */
  public static Bytes in(In what) {
    ByteBuffer cdb = ByteBuffer.allocate(CDB_BYTES);
    cdb.put(0, (byte) OPERATION_IN).put(1, (byte) what.code).putShort(7, (short) IN_BYTES);
    return Bytes.copyOf(cdb.array());
  }

  /** The CDB of an action; its data is {@link #parameters}. */
  public static Bytes out(Out what, Type type) {
    ByteBuffer cdb = ByteBuffer.allocate(CDB_BYTES);
    cdb.put(0, (byte) OPERATION_OUT).put(1, (byte) what.code).put(2, (byte) type.code);
    cdb.putInt(5, PARAMETER_BYTES);
    return Bytes.copyOf(cdb.array());
  }

  /**
   * The data of an action.
   *
   * @param key this nexus's registered key; ignored by REGISTER AND IGNORE EXISTING KEY
   * @param actionKey the new key for the registering actions (0: none any more), the key to remove
   *     for the preempting ones, else 0
   * @param persistent registrations are to outlast a loss of power; for registering actions only
   */
  public static Bytes parameters(long key, long actionKey, boolean persistent) {
    ByteBuffer list = ByteBuffer.allocate(PARAMETER_BYTES);
    list.putLong(0, key).putLong(8, actionKey).put(20, (byte) (persistent ? APTPL : 0));
    return Bytes.copyOf(list.array());
  }

  /**
   * Reads the data of READ KEYS.
   *
   * @throws MalformedReply when it is not that, or not all of it
   */
  public static Keys keys(Bytes data) throws MalformedReply {
    ByteBuffer in = body(data, "READ KEYS");
    List<Long> keys = new ArrayList<>();
    for (int at = HEADER_BYTES; at < in.limit(); at += KEY_BYTES) {
      keys.add(in.getLong(at));
    }
    return new Keys(Integer.toUnsignedLong(in.getInt(0)), keys);
  }

  /**
   * Reads the data of READ RESERVATION.
   *
   * @throws MalformedReply when it is not that
   */
  public static Optional<Reservation> reservation(Bytes data) throws MalformedReply {
    ByteBuffer in = body(data, "READ RESERVATION");
    if (in.limit() == HEADER_BYTES) {
      return Optional.empty();
    }
    if (in.limit() != HEADER_BYTES + RESERVATION_BYTES) {
      throw new MalformedReply("READ RESERVATION", data);
    }
    return Optional.of(
        new Reservation(in.getLong(HEADER_BYTES), Type.of(in.get(HEADER_BYTES + 13) & 0xf)));
  }

  /**
   * Reads the data of REPORT CAPABILITIES.
   *
   * @throws MalformedReply when it is not that
   */
  public static Capabilities capabilities(Bytes data) throws MalformedReply {
    if (data.size() < CAPABILITIES_BYTES) {
      throw new MalformedReply("REPORT CAPABILITIES", data);
    }
    List<Type> types = new ArrayList<>();
    if ((data.at(3) & 0x80) != 0) {
      int mask = data.at(4) | data.at(5) << 8;
      for (Type type : Type.values()) {
        if ((mask >> type.code & 1) != 0) {
          types.add(type);
        }
      }
    }
    return new Capabilities((data.at(2) & 1) != 0, (data.at(3) & 1) != 0, types);
  }

  /**
   * Checks the header: generation, then the number of bytes behind it, all of which must be here.
   */
  private static ByteBuffer body(Bytes data, String what) throws MalformedReply {
    if (data.size() < HEADER_BYTES) {
      throw new MalformedReply(what, data);
    }
    ByteBuffer in = ByteBuffer.wrap(data.toArray());
    int length = in.getInt(4);
    if (length < 0 || length % KEY_BYTES != 0 || length > data.size() - HEADER_BYTES) {
      throw new MalformedReply(what, data);
    }
    return in.limit(HEADER_BYTES + length);
  }
}
