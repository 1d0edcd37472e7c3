package lockstep.replay.ft.protocol;

import java.nio.ByteBuffer;
import lockstep.monitor.state.Bytes;

/** What the two sides of a pair say to each other on the logging channel (docs/protocol.md). */
public sealed interface PeerMessage {
  /** The only version there is. */
  int VERSION = 3;

  /**
   * Primary to backup, first of all.
   *
   * @param version of the protocol
   * @param logVersion of the log's entries, see {@code LogHeader.VERSION}
   * @param name what the user calls the VM
   * @param vm the VM's identity, see {@link lockstep.replay.ft.disk.Claimant}
   * @param epoch of the pair that is to be formed
   * @param heartbeatKey 32 random bytes that authenticate this connection's heartbeats
   * @param heartbeatPort where the primary hears heartbeats (UDP)
   * @param silenceMillis the primary's failure time-out, which must be the backup's: as long as the
   *     backup hears nothing and waits, the primary may still show what it has acknowledged
   */
  record Hello(
      int version,
      int logVersion,
      String name,
      String vm,
      long epoch,
      Bytes heartbeatKey,
      int heartbeatPort,
      int silenceMillis)
      implements PeerMessage {}

  /** A heartbeat key's length. */
  int KEY_BYTES = 32;

  /**
   * Backup to primary: go on with the machine's state.
   *
   * @param heartbeatPort where the backup hears heartbeats (UDP)
   */
  record Welcome(int heartbeatPort) implements PeerMessage {}

  /** Backup to primary: not with you. */
  record Refuse(String reason) implements PeerMessage {}

  /** Primary to backup: a frame of the log, header and body. */
  record Frame(Bytes frame) implements PeerMessage {
    /** Copied together. */
    public static Frame of(byte[] header, ByteBuffer body) {
      return new Frame(
          Bytes.filledBy(
              header.length + body.remaining(),
              all -> {
                System.arraycopy(header, 0, all, 0, header.length);
                body.get(body.position(), all, header.length, body.remaining());
              }));
    }
  }

  /** Backup to primary: the state is restored; this side can follow. */
  record Ready() implements PeerMessage {}

  /**
   * Primary to backup: from here on outputs wait for you, and you may claim the disk.
   *
   * @param position entries of the log that outputs did not wait for: only a backup that has them
   *     all may claim
   */
  record Begin(long position) implements PeerMessage {}

  /**
   * Backup to primary.
   *
   * @param received entries that this side has
   * @param replayed entries that the replay has taken
   */
  record Ack(long received, long replayed) implements PeerMessage {}

  /**
   * Primary to backup: the world has seen so many bytes of the guest's console.
   *
   * @param epoch of the pair whose log counts them
   * @param consoleBytes since the machine's state was copied
   */
  record Released(long epoch, long consoleBytes) implements PeerMessage {}

  /**
   * Either way: a heartbeat on the channel; those by UDP have a form of their own. See {@link
   * FtEvent.Beat}.
   *
   * @param sequence from 1
   * @param echo of the other side's heartbeats
   */
  record Beat(long sequence, long echo) implements PeerMessage {}

  /** Either way: this side leaves in order and will never claim the disk for this epoch. */
  record Bye(Leaving why, String reason) implements PeerMessage {}

  /** Why a side leaves. */
  enum Leaving {
    /** The guest has ended, or was stopped for good. */
    ENDED(1),
    /** The user wants it so; the VM goes on at the other side, unprotected. */
    DETACHED(2),
    /** The backup did something else than the log said. */
    DIVERGED(3),
    /** This side cannot go on. */
    FAILED(4),
    /** The primary hands the VM over: the backup is to take over. */
    HANDOVER(5);

    private final int wire;

    Leaving(int wire) {
      this.wire = wire;
    }

    /** The number on the channel. */
    public int wire() {
      return wire;
    }
  }
}
