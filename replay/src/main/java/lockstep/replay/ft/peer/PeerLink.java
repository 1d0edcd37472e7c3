package lockstep.replay.ft.peer;

import java.nio.ByteBuffer;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.protocol.FtAction;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.PeerMessage;

/** A connection to the other side, as the session's surroundings need it. Any thread. */
public interface PeerLink {
  /** Receives what comes in; called on the link's loop, one call at a time. */
  interface Listener {
    /** A message that is no frame of the log. */
    void received(PeerMessage message);

    /** A heartbeat by UDP; also when the connection is gone, until it is closed here. */
    void beat(FtEvent.Beat beat);

    /** Something came in, and be it a part of a message; before what it brings is told. */
    void bytes();

    /**
     * A frame of the log.
     *
     * @param frame header and body; during this call only
     */
    void frame(ByteBuffer frame);

    /** All messages that came in together have been passed on. */
    void batchReceived();

    /**
     * The connection is gone; told once, and not after {@link PeerLink#close}.
     *
     * @param byPeer the other side's kernel closed it
     * @param reason one line for people
     */
    void closed(boolean byPeer, String reason);
  }

  /** Sends in order; what cannot be sent any more is dropped. */
  void send(PeerMessage message);

  /**
   * Sends a frame of the log in order with the messages; waits while too much is unsent.
   *
   * @param body what is left in the buffer; both are the caller's again afterwards
   * @throws InterruptedException when told to end while waiting
   */
  void sendFrame(byte[] header, ByteBuffer body) throws InterruptedException;

  /** Whether {@link #sendFrame} would not wait now. Any thread. */
  boolean hasRoom();

  /** Sends a heartbeat, on the channel and by UDP; one that asks for an answer by UDP alone. */
  void sendBeat(FtAction.SendBeat beat);

  /** Where this side hears heartbeats. */
  int heartbeatPort();

  /**
   * Heartbeats by UDP from now on.
   *
   * @param key authenticates them
   * @param peerPort where the other side hears them
   */
  void startBeats(Bytes key, int peerPort);

  /** Stops or resumes reading, for a side that has no room. */
  void reading(boolean on);

  /** Sends what was given to send, for a bounded while, and closes. */
  void close();

  /** The other side's address, for people. */
  String peer();
}
