package lockstep.replay.ft;

import java.util.ArrayDeque;
import java.util.List;
import java.util.function.LongSupplier;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.SimWorld.Plant;
import lockstep.replay.log.LogHeader;
import lockstep.sys.HostScheduler;
import org.jspecify.annotations.Nullable;

/**
 * One host of the simulation: the real session, gate, codec and log around a guest that is a hash.
 * Its clock runs a little fast or slow, and it can be stopped for a while or for ever.
 */
final class SimHost {
  private static final double DRIFT = 0.01;
  private static final long BUSY_NANOS = 5_000 * SimWorld.MS;

  final String name;
  final FtSession session;
  final SimGuest guest;
  private final SimWorld world;
  private final FtTimes times;
  private final double rate;
  private final long offset;
  private final OutputGate gate;
  private final ArrayDeque<Runnable> waiting = new ArrayDeque<>();
  private final ArrayDeque<Runnable> arrivals = new ArrayDeque<>();
  private @Nullable SimWire wire;

  /** The connection whose log the gate counts. */
  private @Nullable SimWire counted;

  boolean dead;

  /** The guest stands for a planned failover. */
  private boolean standing;

  private boolean givenUp;
  private boolean stopped;
  private long lastArrival;

  /** Until then what this host sends stays in the network. */
  private long mutedUntilNanos;

  SimHost(String name, FtSession session, FtTimes times, SimWorld world) {
    this.times = times;
    this.name = name;
    this.session = session;
    this.world = world;
    this.rate = 1 + (world.random.nextDouble() * 2 - 1) * DRIFT;
    this.offset = world.between(0, 1_000_000_000_000L);
    this.gate =
        new OutputGate(
            OutputGate.Mode.FREE,
            1 << 20,
            new HostScheduler() {
              @Override
              public long nanoTime() {
                return clock();
              }
            });
    this.guest = new SimGuest(this, world, gate);
    every(times::beatNanos, () -> tell(new FtEvent.Tick()));
    // Coarser when nothing more can happen: that is most of a world's time.
    every(() -> world.now() < BUSY_NANOS ? SimWorld.MS : 20 * SimWorld.MS, this::pump);
  }

  long clock() {
    return offset + (long) (world.now() * rate);
  }

  /** By this host's clock, while it is not stopped. */
  private void every(LongSupplier nanos, Runnable work) {
    world.after(
        (long) (nanos.getAsLong() / rate * world.between(95, 105) / 100),
        () -> {
          if (!dead) {
            whenAwake(work);
            every(nanos, work);
          }
        });
  }

  /** A stopped host does later what came meanwhile, timers once. */
  void whenAwake(Runnable work) {
    if (dead) {
      return;
    }
    if (!stopped) {
      work.run();
    } else if (!waiting.contains(work)) {
      waiting.add(work);
    }
  }

  void stop() {
    world.trace(name + " is stopped");
    stopped = true;
  }

  /** What the channel brought stays in order; all else comes in any: nobody owes it one. */
  void wakeUp() {
    world.trace(name + " wakes up");
    stopped = false;
    while (!stopped && !(waiting.isEmpty() && arrivals.isEmpty())) {
      boolean arrival = waiting.isEmpty() || (!arrivals.isEmpty() && world.chance(0.5));
      Runnable late = arrival ? arrivals.remove() : waiting.remove();
      if (!dead) {
        late.run();
      }
    }
  }

  private void whenAwakeInOrder(Runnable arrival) {
    if (stopped) {
      arrivals.add(arrival);
    } else if (!dead) {
      arrival.run();
    }
  }

  /** Asks another host to be the backup, as {@code protect} does; only if it is alone. */
  void connect(SimHost to) {
    if (dead || stopped || to.dead || session.state() != FtState.ALONE) {
      return;
    }
    if (!world.enter(claimant(session.epoch() + 1, Claimant.Side.PRIMARY))) {
      return;
    }
    world.trace(name + " asks " + to.name);
    SimWire fresh = new SimWire(this, to);
    wire = fresh;
    lastArrival = 0;
    if (to.session.state() == FtState.WAITING && to.isFree()) {
      to.wire = fresh;
      to.lastArrival = 0;
    }
    tell(new FtEvent.Connected());
    send(
        new PeerMessage.Hello(
            PeerMessage.VERSION,
            LogHeader.VERSION,
            session.name(),
            session.vm(),
            session.epoch(),
            Bytes.copyOf(new byte[PeerMessage.KEY_BYTES]),
            1,
            times.silenceMillis()));
  }

  /** The user wants it to have no other side; or to end, as a backup. */
  void detach() {
    // The disk may be this side's by then, and the user be told so: as good as dead.
    givenUp |= session.state() == FtState.CLAIMING && session.side() == Claimant.Side.BACKUP;
    tell(new FtEvent.Detach());
  }

  /** Whether the user has stopped it while nobody knew which side goes on. */
  boolean isGivenUp() {
    return givenUp;
  }

  private boolean isFree() {
    SimWire now = wire;
    return now == null || !now.open;
  }

  private Claimant claimant(long epoch, Claimant.Side side) {
    return new Claimant(session.vm(), epoch, side);
  }

  // The network.

  /** For so long nobody hears this host, and it hears everybody. */
  void mute(long nanos) {
    mutedUntilNanos = world.now() + nanos;
  }

  private long networkBackNanos() {
    return Math.max(world.networkBackNanos, mutedUntilNanos);
  }

  private void send(PeerMessage message) {
    SimWire on = wire;
    if (on == null || !on.open || dead) {
      return;
    }
    SimHost to = on.other(this);
    byte[] bytes = PeerCodec.encode(message);
    long delay =
        world.chance(0.01) ? world.between(0, 30 * SimWorld.MS) : world.between(0, SimWorld.MS);
    long arrival =
        Math.max(
            Math.max(lastArrival, world.now() + delay),
            world.now() < networkBackNanos() ? networkBackNanos() : 0);
    lastArrival = arrival;
    if (world.plant == Plant.ACK_BEFORE_RECEIPT && message instanceof PeerMessage.Frame) {
      long position = guest.position();
      world.after(
          0, () -> whenAwake(() -> tell(new FtEvent.Said(new PeerMessage.Ack(position, 0)))));
    }
    world.after(
        arrival - world.now(),
        () -> {
          // What a dead process has given to its kernel still arrives, unless its host died.
          if (on.open) {
            to.whenAwakeInOrder(() -> to.arrived(PeerCodec.decode(bytes), on));
          }
        });
  }

  /** By datagram: lost, late, twice and in any order. */
  private void sendBeat(FtAction.SendBeat beat) {
    if (!beat.asks()) {
      send(new PeerMessage.Beat(beat.sequence(), beat.echo()));
    }
    SimWire on = wire;
    if (on == null || world.chance(0.1) || world.now() < networkBackNanos()) {
      return;
    }
    SimHost to = on.other(this);
    int copies = world.chance(0.05) ? 2 : 1;
    for (int i = 0; i < copies; i++) {
      long delay = world.between(0, (world.chance(0.02) ? 700 : 20) * SimWorld.MS);
      world.after(
          delay,
          () ->
              to.whenAwake(
                  () -> {
                    if (to.wire == on) {
                      to.tell(new FtEvent.Beat(beat.sequence(), beat.echo(), true, beat.asks()));
                    }
                  }));
    }
  }

  private void arrived(PeerMessage message, SimWire on) {
    if (on != wire || !on.open) {
      if (message instanceof PeerMessage.Hello && on.open) {
        // Busy, or it followed another: the connection's owner refuses it.
        on.other(this).whenAwake(() -> on.other(this).refused(on));
      }
      return;
    }
    if (message instanceof PeerMessage.Frame frame) {
      if (guest.follows()) {
        guest.frame(frame.frame());
        if (dead) {
          return;
        }
        if (world.plant != Plant.ACK_BEFORE_RECEIPT) {
          send(new PeerMessage.Ack(guest.received(), 0));
        }
        long delay = world.chance(0.02) ? world.between(0, 100 * SimWorld.MS) : 0;
        world.after(delay, () -> whenAwake(guest::follow));
      }
    }
    tell(new FtEvent.Said(message));
    if (session.state() == FtState.RECEIVING) {
      tell(new FtEvent.Received(guest.received()));
    }
  }

  private void refused(SimWire on) {
    if (wire == on) {
      tell(new FtEvent.Said(new PeerMessage.Refuse("busy")));
    }
  }

  /** Both ends learn of it, if they live; the process of one may have done it. */
  void cutChannel(boolean bySideOfPeer) {
    SimWire on = wire;
    if (on != null) {
      cut(on, bySideOfPeer);
    }
  }

  private void cut(SimWire on, boolean bySideOfPeer) {
    on.open = false;
    whenAwakeInOrder(
        () -> {
          if (wire == on) {
            tell(new FtEvent.Closed(bySideOfPeer));
          }
        });
  }

  private void disconnect() {
    SimWire on = wire;
    wire = null;
    if (on == null || !on.open) {
      return;
    }
    SimHost to = on.other(this);
    // What was sent before arrives before; what is still on its way here never does.
    long wait = Math.max(lastArrival - world.now(), 0) + world.between(0, 2 * SimWorld.MS);
    world.after(
        wait,
        () -> {
          if (on.open) {
            to.cut(on, true);
          }
        });
  }

  /** The process dies, or with it its host, so that nobody hears of it. */
  void die(boolean withItsHost) {
    if (dead) {
      return;
    }
    SimWire on = wire;
    if (withItsHost && on != null) {
      on.open = false;
    } else {
      disconnect();
    }
    dead = true;
    world.trace(name + " dies");
  }

  // The session.

  void tell(FtEvent event) {
    if (dead) {
      return;
    }
    FtState before = session.state();
    List<FtAction> actions = session.on(event, clock());
    if (session.state() != before) {
      world.transitions.add(before + " " + session.state());
    }
    if (event instanceof FtEvent.Ruled || session.state() != before) {
      world.trace("%s %s -> %s on %s".formatted(name, before, session.state(), event));
    }
    for (FtAction action : actions) {
      perform(action);
    }
    if (standing && session.isTheVm()) {
      // Too late for a failover, or the backup is dead: the guest goes on here.
      standing = false;
      guest.run(true);
    }
  }

  private void perform(FtAction action) {
    switch (action) {
      case FtAction.Send send -> send(send.message());
      case FtAction.SendBeat beat -> sendBeat(beat);
      case FtAction.SendBegin _ -> send(new PeerMessage.Begin(guest.position()));
      case FtAction.SealLog _ -> {
        guest.sealLog();
        world.after(world.between(0, 5 * SimWorld.MS), () -> whenAwake(guest::follow));
      }
      case FtAction.StartLog _ -> startLog(session.epoch());
      case FtAction.CutLog _ -> guest.cutLog();
      case FtAction.Receive _ -> {
        guest.receive();
        send(new PeerMessage.Welcome(1));
      }
      case FtAction.EndLog end -> {
        guest.endLog(end.live());
        world.after(world.between(0, 5 * SimWorld.MS), () -> whenAwake(guest::follow));
      }
      case FtAction.Gate change ->
          gate.mode(
              world.plant == Plant.OUTPUT_BEFORE_ACK && change.mode() == OutputGate.Mode.GATED
                  ? OutputGate.Mode.FREE
                  : change.mode());
      case FtAction.Lease lease ->
          gate.leaseUntil(world.plant == Plant.NO_LEASE ? Long.MAX_VALUE / 2 : lease.untilNanos());
      case FtAction.Acknowledged ack -> gate.acknowledged(ack.ack().received());
      case FtAction.Forget forget -> gate.forget(forget.consoleBytes());
      case FtAction.Claim _ -> claim();
      case FtAction.Disconnect _ -> disconnect();
      case FtAction.Halt _ -> guest.run(false);
      case FtAction.FailStop _ -> die(false);
      case FtAction.Resync _, FtAction.Note _ -> {
        // For people; and no replay goes astray here.
      }
    }
  }

  private void claim() {
    Claimant self = claimant(session.epoch(), session.side());
    world.after(
        world.diskNanos(),
        () -> {
          Arbiter.Ruling ruling = world.claim(name, self);
          world.after(
              world.between(0, 5 * SimWorld.MS),
              () -> whenAwake(() -> tell(new FtEvent.Ruled(ruling))));
        });
  }

  /** The vCPU's task: between two runs of the guest, and when everything shown has left. */
  private void startLog(long epoch) {
    // The guest goes on while its memory is copied.
    world.after(
        world.between(SimWorld.MS, (world.chance(0.5) ? 2 : 80) * SimWorld.MS),
        () ->
            whenAwake(
                () -> {
                  SimWire on = wire;
                  if (session.state() != FtState.PAIRING
                      || session.epoch() != epoch
                      || on == null) {
                    return;
                  }
                  boolean begun =
                      guest.startLog(
                          (header, body, _) -> {
                            if (wire == on) {
                              send(PeerMessage.Frame.of(header, body));
                            }
                          });
                  if (begun) {
                    counted = on;
                    tell(new FtEvent.LogBegan());
                  } else {
                    startLog(epoch);
                  }
                }));
  }

  /** The machine is here: the disk has to know this side before it says so. */
  void restored() {
    if (world.enter(claimant(session.epoch(), Claimant.Side.BACKUP))) {
      tell(new FtEvent.Restored());
    } else {
      tell(new FtEvent.PairingFailed("the disk refuses"));
    }
  }

  /** The Output Rule, seen from outside. */
  void checkAcknowledged(long at, long position) {
    SimWire on = wire;
    if (session.state() == FtState.PROTECTED
        && on != null
        && position > on.other(this).guest.received()) {
      throw new AssertionError(
          "%s shows byte %d of position %d; the backup has %d"
              .formatted(name, at, position, on.other(this).guest.received()));
    }
  }

  private void pump() {
    if (guest.pump()
        && (counted == wire || world.plant == Plant.RELEASED_COUNTED_FROM_ANOTHER_LOG)
        && (session.state() == FtState.PAIRING || session.state() == FtState.PROTECTED)) {
      send(new PeerMessage.Released(session.epoch(), gate.consoleReleased()));
    }
  }

  /** The guest ends in order, as after a power-off. */
  void powerOff() {
    if (guest.isRunning() && session.isTheVm()) {
      guest.end();
      whenDrained();
    }
  }

  /** The user has the backup go on: the guest stands, and what it showed leaves first. */
  void handOver() {
    if (session.state() == FtState.PROTECTED && guest.isRunning()) {
      guest.stand();
      handOverWhenDrained();
    }
  }

  private void handOverWhenDrained() {
    if (dead || session.state() == FtState.HALTED) {
      return;
    }
    if (gate.waiting() > 0) {
      world.after(SimWorld.MS, () -> whenAwake(this::handOverWhenDrained));
    } else {
      standing = true;
      tell(new FtEvent.HandOver());
    }
  }

  private void whenDrained() {
    if (dead || session.state() == FtState.HALTED) {
      return;
    }
    if (gate.waiting() > 0) {
      world.after(SimWorld.MS, () -> whenAwake(this::whenDrained));
    } else {
      tell(new FtEvent.GuestEnded("power off"));
    }
  }

  /** Whether the host that this one follows has died. */
  boolean followsTheDead() {
    SimWire on = wire;
    return session.state() == FtState.FOLLOWING && (on == null || on.other(this).dead);
  }

  int outputsWaiting() {
    return gate.waiting();
  }
}
