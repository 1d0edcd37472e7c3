package lockstep.replay.channel;

import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Optional;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.protocol.FtAction;
import lockstep.replay.ft.protocol.FtEvent;

/**
 * Heartbeats as datagrams (docs/protocol.md), authenticated by the key of their connection, so that
 * nobody without it can keep a dead host alive. One thread.
 */
final class Heartbeat {
  private static final int MAGIC = 0x4c4b4842; // "LKHB"
  private static final int SIGNED_BYTES = 4 + 1 + 1 + 8 + 8;
  private static final int MAC_BYTES = 16;

  /** Exactly so long is a heartbeat. */
  static final int BYTES = SIGNED_BYTES + MAC_BYTES;

  private static final byte ASKS = 1;

  private final Mac mac;
  private final byte mine;

  /**
   * @param key shared by the two sides
   * @param connected whether this side opened the connection: one's own heartbeats, sent back by
   *     somebody, do not count
   */
  Heartbeat(Bytes key, boolean connected) {
    try {
      mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(key.toArray(), "HmacSHA256"));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every Java has HmacSHA256", e);
    }
    mine = (byte) (connected ? 1 : 2);
  }

  byte[] encode(FtAction.SendBeat beat) {
    ByteBuffer out = ByteBuffer.allocate(BYTES);
    out.putInt(MAGIC).put(mine).put(beat.asks() ? ASKS : 0);
    out.putLong(beat.sequence()).putLong(beat.echo());
    out.put(sign(out.array()), 0, MAC_BYTES);
    return out.array();
  }

  /** The heartbeat in a datagram; empty when it is none of the other side's. */
  Optional<FtEvent.Beat> decode(byte[] datagram) {
    if (datagram.length != BYTES) {
      return Optional.empty();
    }
    byte[] theirs = Arrays.copyOfRange(datagram, SIGNED_BYTES, BYTES);
    byte[] right = Arrays.copyOf(sign(datagram), MAC_BYTES);
    ByteBuffer in = ByteBuffer.wrap(datagram);
    if (!MessageDigest.isEqual(theirs, right) || in.getInt() != MAGIC || in.get() == mine) {
      return Optional.empty();
    }
    boolean asks = (in.get() & ASKS) != 0;
    return Optional.of(new FtEvent.Beat(in.getLong(), in.getLong(), true, asks));
  }

  private byte[] sign(byte[] datagram) {
    mac.update(datagram, 0, SIGNED_BYTES);
    return mac.doFinal();
  }
}
