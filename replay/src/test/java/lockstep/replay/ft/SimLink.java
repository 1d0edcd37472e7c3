package lockstep.replay.ft;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Optional;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.peer.PeerLink;
import lockstep.replay.ft.protocol.FtAction;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.PeerCodec;
import lockstep.replay.ft.protocol.PeerMessage;
import lockstep.replay.log.SimFrames;

/**
 * One end of a connection, with what NettyLink and two kernels would do: messages in order, frames
 * that wait while too much is on its way, datagrams that may be lost, late or doubled.
 */
final class SimLink implements PeerLink {
  /** Above this the sender of frames waits, bytes. */
  private static final long ROOM_BYTES = 4 << 20;

  private static final long ROOM_NANOS = 100_000;
  private static final long MS = SimWorld.MS;

  /** What a frame follows. */
  private static final int KIND_BYTES = 1;

  /** What is to happen to a message on its way. */
  enum Damage {
    NONE,
    /** A flipped bit that the checksum of a frame shows. */
    FLIPPED,
    /** A frame that is well-formed and says what nobody understands. */
    UNKNOWN_ENTRY,
    /** Bytes that are no message. */
    GARBAGE
  }

  /**
   * @param missing whether the side that hears it will not have the entry that it was
   */
  private record Arrival(Bytes bytes, long counted, boolean end, boolean missing) {}

  private final SimNetwork network;
  private final SimProcess process;
  private final SimWorld world;
  private final ArrayDeque<Arrival> inbox = new ArrayDeque<>();

  /** What was sent and has not arrived: a connection keeps its order. */
  private final ArrayDeque<Runnable> underWay = new ArrayDeque<>();

  private Optional<SimLink> peer = Optional.empty();
  private Optional<Listener> listener = Optional.empty();
  private boolean reading = true;
  private boolean closing;
  private boolean told;
  private boolean beats;
  private boolean inboundOver;
  private long lastArrivalNanos;
  private long onItsWayBytes;
  private String why = "";

  /** Entries of the log that this end has sent, or heard. */
  private long sentEntries;

  private long heardEntries;

  /** Entries that the other end must have to claim the disk; before Begin it claims nothing. */
  private long begunEntries = Long.MAX_VALUE;

  private boolean framed;

  /** What happens to the next frame that this end sends. */
  private Damage damage = Damage.NONE;

  SimLink(SimNetwork network) {
    this.network = network;
    this.process = network.process;
    this.world = process.world;
  }

  void connect(SimLink to, Listener who) {
    peer = Optional.of(to);
    listener = Optional.of(who);
  }

  boolean isOpen() {
    return !closing && !told && !process.isDead();
  }

  /** Entries of the log that were sent by it. */
  long sentEntries() {
    return sentEntries;
  }

  /** Entries of the log that have been told to its listener. */
  long heardEntries() {
    return heardEntries;
  }

  /** Entries without which the other end claims nothing, whatever it has heard. */
  long begunEntries() {
    return begunEntries;
  }

  /** Whether a log goes over it, or has. */
  boolean isFramed() {
    return framed;
  }

  private void plantedAck() {
    if (network.host.cluster.plant == SimPlant.ACK_BEFORE_RECEIPT) {
      long entries = sentEntries;
      onLoop(() -> listener.orElseThrow().received(new PeerMessage.Ack(entries, entries)));
    }
  }

  Optional<SimLink> other() {
    return peer;
  }

  void damageNext(Damage how) {
    damage = how;
  }

  // Sending.

  @Override
  public void send(PeerMessage message) {
    if (message instanceof PeerMessage.Begin begin) {
      begunEntries = begin.position();
    }
    byte[] bytes = PeerCodec.encode(message);
    onLoop(() -> transmit(bytes, 0));
  }

  private void onLoop(Runnable work) {
    if (network.isLoop()) {
      work.run();
    } else if (!network.loop().isShutdown()) {
      network.loop().execute(work);
    }
  }

  @Override
  public void sendFrame(byte[] header, ByteBuffer body) throws InterruptedException {
    while (!hasRoom()) {
      process.point();
      if (Thread.interrupted()) {
        throw new InterruptedException("told to end");
      }
      process.park(this, ROOM_NANOS);
    }
    byte[] bytes = PeerCodec.encode(PeerMessage.Frame.of(header, body.duplicate()));
    framed = true;
    sentEntries = Math.max(sentEntries, SimFrames.entriesAfter(header));
    plantedAck();
    onItsWayBytes += bytes.length;
    onLoop(() -> transmit(bytes, bytes.length));
  }

  @Override
  public boolean hasRoom() {
    return onItsWayBytes <= ROOM_BYTES || !isOpen();
  }

  /** Loop thread. */
  private void transmit(byte[] bytes, int counted) {
    if (closing || told) {
      onItsWayBytes -= counted;
      return;
    }
    Damage before = damage;
    byte[] travels = damaged(bytes, counted > 0);
    // It gives the log up, and is no backup until it has the state anew: a limit that
    // docs/fault-tolerance.md names.
    boolean missing =
        damage != before && (before == Damage.FLIPPED || before == Damage.UNKNOWN_ENTRY);
    SimLink to = peer.orElseThrow();
    long delay = world.chance(0.01) ? world.between(0, 30 * SimWorld.MS) : world.between(0, MS);
    deliver(
        delay,
        () -> {
          to.inbox.add(new Arrival(Bytes.copyOf(travels), counted, false, missing));
          to.wake();
        });
  }

  /** Brings something to the other end, after all that went before and when there is a way. */
  private void deliver(long delay, Runnable arrival) {
    SimLink to = peer.orElseThrow();
    lastArrivalNanos = Math.max(lastArrivalNanos, world.now() + delay);
    underWay.add(arrival);
    world.after(
        lastArrivalNanos - world.now(),
        () -> {
          long back = network.host.blockedUntilNanos(to.network.host);
          if (back > world.now()) {
            lastArrivalNanos = Math.max(lastArrivalNanos, back);
            world.after(back - world.now(), () -> arriveNext(to));
          } else {
            arriveNext(to);
          }
        });
  }

  /** Something arrives: what was sent first, whichever moment this was to be. */
  private void arriveNext(SimLink to) {
    Runnable first = underWay.remove();
    if (!to.process.isDead()) {
      first.run();
    }
  }

  private byte[] damaged(byte[] bytes, boolean frame) {
    Damage now = damage;
    if (now == Damage.NONE || (!frame && now != Damage.GARBAGE)) {
      return bytes;
    }
    byte[] copy = bytes.clone();
    switch (now) {
      case NONE -> throw new AssertionError();
      case FLIPPED -> copy[copy.length - 1] ^= 4;
      case GARBAGE -> copy[0] = 99;
      case UNKNOWN_ENTRY -> {
        if (!SimFrames.unknownEntry(copy, KIND_BYTES)) {
          return bytes;
        }
      }
    }
    damage = Damage.NONE;
    world.trace("%s sends %s".formatted(process.name, now));
    return copy;
  }

  @Override
  public void sendBeat(FtAction.SendBeat beat) {
    if (!beat.asks()) {
      send(new PeerMessage.Beat(beat.sequence(), beat.echo()));
    }
    SimLink to = peer.orElseThrow();
    if (!beats || network.host.dropsDatagrams(to.network.host) || world.chance(0.1)) {
      return;
    }
    FtEvent.Beat arrives = new FtEvent.Beat(beat.sequence(), beat.echo(), true, beat.asks());
    int copies = world.chance(0.05) ? 2 : 1;
    for (int i = 0; i < copies; i++) {
      long delay = world.between(0, (world.chance(0.02) ? 700 : world.chance(0.1) ? 20 : 1) * MS);
      world.after(delay, () -> to.datagram(arrives));
    }
  }

  private void datagram(FtEvent.Beat beat) {
    if (!process.isDead() && beats && !network.loop().isShutdown()) {
      network
          .loop()
          .execute(
              () -> {
                if (!closing) {
                  listener.orElseThrow().beat(beat);
                }
              });
    }
  }

  @Override
  public int heartbeatPort() {
    return 1;
  }

  @Override
  public void startBeats(Bytes key, int peerPort) {
    beats = true;
  }

  // Receiving.

  private void wake() {
    if (reading && !network.loop().isShutdown()) {
      network.loop().execute(this::read);
    }
  }

  /** Loop thread. */
  void read() {
    boolean any = false;
    while (reading && !closing && !told && listener.isPresent() && !inbox.isEmpty()) {
      Arrival next = inbox.remove();
      if (next.end()) {
        tell(true, "closed by the other side");
        return;
      }
      if (!any) {
        listener.orElseThrow().bytes();
        any = true;
      }
      peer.orElseThrow().onItsWayBytes -= next.counted();
      if (next.missing()) {
        network.host.side().ifPresent(SimSide::missesAnEntry);
      }
      hear(next.bytes().toArray());
    }
    if (any && !closing && !told) {
      listener.orElseThrow().batchReceived();
    }
  }

  private void hear(byte[] bytes) {
    try {
      PeerMessage message = PeerCodec.decode(bytes);
      if (message instanceof PeerMessage.Frame frame) {
        framed = true;
        heardEntries = Math.max(heardEntries, SimFrames.entriesAfter(frame.frame().asBuffer()));
        listener.orElseThrow().frame(frame.frame().asBuffer());
      } else {
        listener.orElseThrow().received(message);
      }
    } catch (IllegalArgumentException e) {
      why = "it said what makes no sense: " + e.getMessage();
      transmit(PeerCodec.encode(new PeerMessage.Refuse(String.valueOf(e.getMessage()))), 0);
      finish();
      tell(false, why);
    }
  }

  private void tell(boolean byPeer, String reason) {
    if (!told && !closing) {
      told = true;
      listener.orElseThrow().closed(byPeer, reason);
    }
  }

  @Override
  public void reading(boolean on) {
    onLoop(
        () -> {
          reading = on;
          read();
        });
  }

  // The end.

  /** Nothing comes after what was sent. */
  private void finish() {
    peer.ifPresent(
        to -> {
          if (!to.inboundOver) {
            to.inboundOver = true;
            deliver(
                world.between(0, 2 * MS),
                () -> {
                  to.inbox.add(new Arrival(Bytes.empty(), 0, true, false));
                  to.wake();
                });
          }
        });
  }

  @Override
  public void close() {
    onLoop(
        () -> {
          if (!closing) {
            closing = true;
            finish();
          }
        });
  }

  /** A box in between sends a reset to both ends. */
  void reset() {
    for (SimLink end : new SimLink[] {this, peer.orElse(this)}) {
      if (!end.process.isDead() && !end.network.loop().isShutdown()) {
        end.network
            .loop()
            .execute(
                () -> {
                  if (end.listener.isPresent()) {
                    end.inboundOver = true;
                    end.tell(true, "connection reset");
                  }
                });
      }
    }
  }

  /** The process of this end is no more. */
  void died(boolean withItsHost) {
    if (!withItsHost && !closing) {
      finish();
    }
    closing = true;
  }

  @Override
  public String peer() {
    return peer.map(to -> to.network.host.name).orElse("?");
  }
}
