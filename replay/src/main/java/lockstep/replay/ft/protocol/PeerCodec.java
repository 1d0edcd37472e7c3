package lockstep.replay.ft.protocol;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.protocol.PeerMessage.Leaving;

/**
 * Messages as bytes (docs/protocol.md): a number for the kind, then the fields, little-endian.
 * Lengths are the channel's matter. What comes in may be anything.
 */
public final class PeerCodec {
  /** A frame of the log and its header, and a little. */
  public static final int MAX_BYTES = (1 << 20) + 1024;

  private static final int MAX_TEXT_BYTES = 512;
  private static final int HELLO = 1;
  private static final int WELCOME = 2;
  private static final int REFUSE = 3;

  /** The kind of a {@link PeerMessage.Frame}; the frame follows as it is. */
  public static final int FRAME = 4;

  private static final int READY = 5;
  private static final int BEGIN = 6;
  private static final int ACK = 7;
  private static final int RELEASED = 8;
  private static final int BYE = 9;
  private static final int BEAT = 10;

  private PeerCodec() {}

  /** A message as bytes. */
  public static byte[] encode(PeerMessage message) {
    return switch (message) {
      case PeerMessage.Hello hello -> {
        // The version stands in the same place for all time.
        byte[] name = text(hello.name());
        byte[] vm = text(hello.vm());
        byte[] key = hello.heartbeatKey().toArray();
        int texts = 2 + name.length + 2 + vm.length + 2 + key.length;
        ByteBuffer out = start(HELLO, 4 + 4 + texts + 8 + 4 + 4);
        out.putInt(hello.version()).putInt(hello.logVersion());
        put(put(out, name), vm).putLong(hello.epoch());
        yield put(out, key).putInt(hello.heartbeatPort()).putInt(hello.silenceMillis()).array();
      }
      case PeerMessage.Welcome welcome -> start(WELCOME, 4).putInt(welcome.heartbeatPort()).array();
      case PeerMessage.Refuse refuse -> {
        byte[] reason = text(refuse.reason());
        yield put(start(REFUSE, 2 + reason.length), reason).array();
      }
      case PeerMessage.Frame frame -> {
        byte[] out = new byte[1 + frame.frame().size()];
        out[0] = FRAME;
        frame.frame().copyTo(0, out, 1, frame.frame().size());
        yield out;
      }
      case PeerMessage.Ready _ -> start(READY, 0).array();
      case PeerMessage.Begin begin -> start(BEGIN, 8).putLong(begin.position()).array();
      case PeerMessage.Ack ack ->
          start(ACK, 16).putLong(ack.received()).putLong(ack.replayed()).array();
      case PeerMessage.Released released ->
          start(RELEASED, 16).putLong(released.epoch()).putLong(released.consoleBytes()).array();
      case PeerMessage.Beat beat ->
          start(BEAT, 16).putLong(beat.sequence()).putLong(beat.echo()).array();
      case PeerMessage.Bye bye -> {
        byte[] reason = text(bye.reason());
        yield put(start(BYE, 1 + 2 + reason.length).put((byte) bye.why().wire()), reason).array();
      }
    };
  }

  private static ByteBuffer start(int kind, int fieldBytes) {
    return ByteBuffer.allocate(1 + fieldBytes).order(ByteOrder.LITTLE_ENDIAN).put((byte) kind);
  }

  private static ByteBuffer put(ByteBuffer out, byte[] field) {
    return out.putShort((short) field.length).put(field);
  }

  private static byte[] text(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    if (utf8.length <= MAX_TEXT_BYTES) {
      return utf8;
    }
    // A cut in the middle of a character shows as a question mark.
    return java.util.Arrays.copyOf(utf8, MAX_TEXT_BYTES);
  }

  /**
   * The opposite of {@link #encode}.
   *
   * @throws IllegalArgumentException when these bytes are no message; says why in one line
   */
  public static PeerMessage decode(byte[] bytes) {
    return decode(ByteBuffer.wrap(bytes));
  }

  /** The same from a buffer, of which nothing is kept. */
  public static PeerMessage decode(ByteBuffer bytes) {
    ByteBuffer in = bytes.order(ByteOrder.LITTLE_ENDIAN);
    try {
      PeerMessage message = message(in.get(), in);
      if (in.hasRemaining()) {
        throw new IllegalArgumentException(in.remaining() + " bytes behind a message");
      }
      return message;
    } catch (BufferUnderflowException e) {
      throw new IllegalArgumentException("a message that ends before its end", e);
    }
  }

  private static PeerMessage message(int kind, ByteBuffer in) {
    return switch (kind) {
      case HELLO -> hello(in);
      case WELCOME -> new PeerMessage.Welcome(port(in.getInt()));
      case REFUSE -> new PeerMessage.Refuse(readText(in));
      case FRAME -> {
        yield new PeerMessage.Frame(Bytes.filledBy(in.remaining(), in::get));
      }
      case READY -> new PeerMessage.Ready();
      case BEGIN -> new PeerMessage.Begin(count(in));
      case ACK -> new PeerMessage.Ack(count(in), count(in));
      case RELEASED -> new PeerMessage.Released(count(in), count(in));
      case BEAT -> new PeerMessage.Beat(count(in), count(in));
      case BYE -> new PeerMessage.Bye(leaving(in.get()), readText(in));
      default -> throw new IllegalArgumentException("no kind of message " + kind);
    };
  }

  private static PeerMessage hello(ByteBuffer in) {
    int version = in.getInt();
    if (version != PeerMessage.VERSION) {
      throw new IllegalArgumentException(
          "version %d of the protocol; this Lockstep speaks version %d"
              .formatted(version, PeerMessage.VERSION));
    }
    int logVersion = in.getInt();
    String name = readText(in);
    String vm = readText(in);
    long epoch = in.getLong();
    // Here and not in the session, so that nobody meets an identity of the wrong form.
    var unused = new Claimant(vm, epoch, Claimant.Side.PRIMARY);
    byte[] key = readField(in);
    if (key.length != PeerMessage.KEY_BYTES) {
      throw new IllegalArgumentException("a heartbeat key of " + key.length + " bytes");
    }
    int port = port(in.getInt());
    return new PeerMessage.Hello(
        version, logVersion, name, vm, epoch, Bytes.copyOf(key), port, in.getInt());
  }

  private static long count(ByteBuffer in) {
    long value = in.getLong();
    if (value < 0) {
      throw new IllegalArgumentException("a count of " + value);
    }
    return value;
  }

  private static int port(int port) {
    if (port < 1 || port > 65_535) {
      throw new IllegalArgumentException("port " + port);
    }
    return port;
  }

  private static Leaving leaving(int wire) {
    for (Leaving leaving : Leaving.values()) {
      if (leaving.wire() == wire) {
        return leaving;
      }
    }
    throw new IllegalArgumentException("no reason to leave " + wire);
  }

  private static String readText(ByteBuffer in) {
    return new String(readField(in), StandardCharsets.UTF_8);
  }

  private static byte[] readField(ByteBuffer in) {
    int length = in.getShort() & 0xffff;
    if (length > MAX_TEXT_BYTES || length > in.remaining()) {
      throw new IllegalArgumentException("a text of " + length + " bytes");
    }
    byte[] field = new byte[length];
    in.get(field);
    return field;
  }
}
