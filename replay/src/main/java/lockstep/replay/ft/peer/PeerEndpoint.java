package lockstep.replay.ft.peer;

import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.FtTimes;
import lockstep.replay.ft.protocol.PeerMessage;
import lockstep.replay.log.LogHeader;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * The connections of one side: at most one of them is the pair's and speaks with the session; all
 * others are turned away. Loop thread only, but for making a connection's listener.
 */
public final class PeerEndpoint {
  /** How often a closed channel is looked at while its side may only just have been heard. */
  private static final int LOOKS = 8;

  /** Between two lines about strangers: they may come faster than anybody reads. */
  private static final long NOTE_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** What the session is told of a frame, whose bytes go another way. */
  private static final PeerMessage A_FRAME = new PeerMessage.Frame(Bytes.empty());

  private static final FtEvent SOME_BYTES = new FtEvent.Bytes();

  private final Scheduler host;
  private final VitalLoop loop;
  private final FtSession session;
  private final FtTimes times;
  private final Receiver receiver;

  /** The pair's; null without one. */
  private @Nullable PeerLink link;

  private Bytes key = Bytes.empty();
  private long notedNanos;

  /** Receives what comes in by the pair's connection. */
  public interface Receiver {
    /** Something for the session. */
    void event(FtEvent event);

    /** A frame of the log, during this call; the session is told of it as well, afterwards. */
    void frame(ByteBuffer frame);

    /** All messages that came in together have been passed on. */
    void batchReceived();

    /** Somebody was turned away; not all of them are told of. */
    void note(String text);
  }

  /** No connection yet. */
  public PeerEndpoint(
      Scheduler host, VitalLoop loop, FtSession session, FtTimes times, Receiver receiver) {
    this.host = host;
    this.notedNanos = host.nanoTime() - NOTE_NANOS;
    this.loop = loop;
    this.session = session;
    this.times = times;
    this.receiver = receiver;
  }

  /** Whether there is a connection that is the pair's. */
  public boolean isOpen() {
    return link != null;
  }

  /** Does something with the pair's connection, if there is one. */
  public void ifOpen(Consumer<PeerLink> what) {
    PeerLink open = link;
    if (open != null) {
      what.accept(open);
    }
  }

  /** The other side's address; empty without one. */
  public String peer() {
    PeerLink open = link;
    return open == null ? "" : open.peer();
  }

  /** Backup: somebody has connected. */
  public PeerLink.Listener accept(PeerLink from) {
    Incoming incoming = new Incoming();
    incoming.from = from;
    return incoming;
  }

  /** Primary: listens to a connection that is about to be made. Any thread. */
  public Incoming toBackup() {
    return new Incoming();
  }

  /** Primary: the connection stands; it becomes the pair's unless this side is not alone. */
  public void connected(PeerLink to, Incoming incoming) {
    if (session.state() != FtState.ALONE) {
      to.close();
      return;
    }
    link = to;
    byte[] random = new byte[PeerMessage.KEY_BYTES];
    host.randomBytes(random);
    key = Bytes.copyOf(random);
    receiver.event(new FtEvent.Connected());
    to.send(
        new PeerMessage.Hello(
            PeerMessage.VERSION,
            LogHeader.VERSION,
            session.name(),
            session.vm(),
            session.epoch(),
            key,
            to.heartbeatPort(),
            times.silenceMillis()));
    incoming.from = to;
    incoming.closedMeanwhile.ifPresent(byPeer -> incoming.closed(byPeer, "closed at once"));
  }

  /** Closes the pair's connection; nothing that comes by it counts any more. */
  public void close() {
    PeerLink open = link;
    if (open != null) {
      open.close();
      link = null;
    }
  }

  /** What comes in by one connection. */
  public final class Incoming implements PeerLink.Listener {
    private @Nullable PeerLink from;

    /** Closed before it was anybody's; by whom. */
    private Optional<Boolean> closedMeanwhile = Optional.empty();

    private Incoming() {}

    @Override
    public void received(PeerMessage message) {
      PeerLink peer = from;
      if (peer == null) {
        return;
      }
      if (peer != link) {
        stranger(message, peer);
        return;
      }
      switch (message) {
        case PeerMessage.Welcome welcome -> peer.startBeats(key, welcome.heartbeatPort());
        case PeerMessage.Hello _ -> {
          return; // Once is enough.
        }
        case PeerMessage.Refuse _,
            PeerMessage.Frame _,
            PeerMessage.Ready _,
            PeerMessage.Begin _,
            PeerMessage.Ack _,
            PeerMessage.Released _,
            PeerMessage.Beat _,
            PeerMessage.Bye _ -> {
          // All in the session.
        }
      }
      receiver.event(new FtEvent.Message(message));
    }

    @Override
    public void beat(FtEvent.Beat beat) {
      if (from == link && from != null) {
        receiver.event(beat);
      }
    }

    @Override
    public void bytes() {
      if (from == link && from != null) {
        receiver.event(SOME_BYTES);
      }
    }

    @Override
    public void frame(ByteBuffer frame) {
      if (from == link && from != null) {
        receiver.frame(frame);
      }
      received(A_FRAME);
    }

    @Override
    public void batchReceived() {
      if (from == link && from != null) {
        receiver.batchReceived();
      }
    }

    @Override
    public void closed(boolean byPeer, String reason) {
      if (from == null) {
        closedMeanwhile = Optional.of(byPeer);
      } else if (from == link) {
        receiver.event(new FtEvent.Closed(byPeer));
        // Not at the next tick, which may be far away. Only the session knows when it was last
        // heard.
        for (int look = 1; look <= LOOKS; look++) {
          lookAgain(from, byPeer, times.closedNanos() * look / LOOKS);
        }
      } else {
        if (!byPeer) {
          turnedAway(from.peer(), reason);
        }
        // With the socket of its heartbeats.
        from.close();
      }
    }

    private void lookAgain(PeerLink closed, boolean byPeer, long nanos) {
      ScheduledFuture<?> unused =
          loop.later(
              () -> {
                if (closed == link) {
                  receiver.event(new FtEvent.Closed(byPeer));
                }
              },
              nanos);
    }
  }

  private void stranger(PeerMessage message, PeerLink from) {
    if (message instanceof PeerMessage.Hello && session.state() == FtState.WAITING) {
      link = from;
      receiver.event(new FtEvent.Message(message));
      return;
    }
    String reason =
        session.state() == FtState.WAITING
            ? "a pair begins with hello"
            : "this side is busy: " + session.state() + " with VM " + session.name();
    from.send(new PeerMessage.Refuse(reason));
    turnedAway(from.peer(), reason);
    from.close();
  }

  /** Tells of somebody who had to go; rarely. */
  public void turnedAway(String who, String reason) {
    long now = host.nanoTime();
    if (now - notedNanos >= NOTE_NANOS) {
      notedNanos = now;
      receiver.note("turned %s away: %s".formatted(who, reason));
    }
  }
}
