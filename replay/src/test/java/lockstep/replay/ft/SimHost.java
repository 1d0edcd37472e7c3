package lockstep.replay.ft;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.List;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.SimWorld.Plant;
import lockstep.replay.log.EntryFramer;
import lockstep.replay.log.FramePipe;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.LogReader;
import org.jspecify.annotations.Nullable;

/**
 * One host of the simulation: the real session, gate, codec and log around a guest that is a hash.
 * Its clock runs a little fast or slow, and it can be stopped for a while or for ever.
 */
final class SimHost {
  private static final double DRIFT = 0.01;
  private static final int BYTE = 0xff;

  final String name;
  final FtSession session;
  private final SimWorld world;
  private final double rate;
  private final long offset;
  private final OutputGate gate;
  private final ArrayDeque<Runnable> waiting = new ArrayDeque<>();
  private final ArrayDeque<Runnable> arrivals = new ArrayDeque<>();
  private @Nullable SimHost peer;

  boolean dead;
  private boolean stopped;
  private boolean channelOpen;
  private long lastArrival;

  // The guest.
  private long guest = 1;
  private boolean running;
  private boolean ended;

  // The primary's log.
  private @Nullable EntryFramer framer;
  private boolean cut;

  // The backup's.
  private @Nullable FramePipe pipe;
  private @Nullable LogReader reader;
  private long received;
  private boolean restored;
  private boolean logOver;
  private boolean live;

  SimHost(String name, FtSession session, FtTimes times, SimWorld world) {
    this.name = name;
    this.session = session;
    this.world = world;
    this.rate = 1 + (world.random.nextDouble() * 2 - 1) * DRIFT;
    this.offset = world.between(0, 1_000_000_000_000L);
    this.gate = new OutputGate(OutputGate.Mode.FREE, 1 << 20, this::clock);
    every(times.beatNanos(), () -> tell(new FtEvent.Tick()));
    every(SimWorld.MS, this::pump);
  }

  long clock() {
    return offset + (long) (world.now() * rate);
  }

  /** By this host's clock, while it is not stopped. */
  private void every(long nanos, Runnable work) {
    world.after(
        (long) (nanos / rate * world.between(95, 105) / 100),
        () -> {
          if (!dead) {
            whenAwake(work);
            every(nanos, work);
          }
        });
  }

  /** A stopped host does later what came meanwhile, timers once. */
  private void whenAwake(Runnable work) {
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

  void connect(SimHost to) {
    peer = to;
    to.peer = this;
    channelOpen = true;
    to.channelOpen = true;
    tell(new FtEvent.Connected());
    send(
        new PeerMessage.Hello(
            PeerMessage.VERSION, session.name(), session.vm(), session.epoch(), Bytes.empty(), 1));
  }

  // The network.

  private void send(PeerMessage message) {
    SimHost to = peer;
    if (to == null || !channelOpen || dead) {
      return;
    }
    byte[] bytes = PeerCodec.encode(message);
    long delay =
        world.chance(0.01) ? world.between(0, 30 * SimWorld.MS) : world.between(0, SimWorld.MS);
    long arrival =
        Math.max(
            Math.max(lastArrival, world.now() + delay),
            world.now() < world.networkBackNanos ? world.networkBackNanos : 0);
    lastArrival = arrival;
    if (world.plant == Plant.ACK_BEFORE_RECEIPT && message instanceof PeerMessage.Frame) {
      long position = position();
      world.after(
          0, () -> whenAwake(() -> tell(new FtEvent.Said(new PeerMessage.Ack(position, 0)))));
    }
    world.after(
        arrival - world.now(),
        () -> {
          // What a dead process has given to its kernel still arrives, unless its host died.
          if (to.channelOpen) {
            to.whenAwakeInOrder(() -> to.arrived(PeerCodec.decode(bytes)));
          }
        });
  }

  private void sendBeat(long sequence, long echo) {
    send(new PeerMessage.Beat(sequence, echo));
    SimHost to = peer;
    if (to != null && !world.chance(0.1) && world.now() >= world.networkBackNanos) {
      long delay = world.between(0, 20 * SimWorld.MS);
      world.after(delay, () -> to.whenAwake(() -> to.tell(new FtEvent.Beat(sequence, echo))));
    }
  }

  private void arrived(PeerMessage message) {
    if (!channelOpen) {
      return;
    }
    if (message instanceof PeerMessage.Frame frame) {
      FramePipe to = pipe;
      if (to != null) {
        try {
          received = to.put(frame.frame().toArray());
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
        if (world.plant != Plant.ACK_BEFORE_RECEIPT) {
          send(new PeerMessage.Ack(received, 0));
        }
        long delay = world.chance(0.02) ? world.between(0, 100 * SimWorld.MS) : 0;
        world.after(delay, () -> whenAwake(this::follow));
      }
    }
    tell(new FtEvent.Said(message));
  }

  /** Both ends learn of it, if they live; the process of one may have done it. */
  void cutChannel(boolean bySideOfPeer) {
    SimHost to = peer;
    if (!channelOpen || to == null) {
      return;
    }
    channelOpen = false;
    whenAwakeInOrder(() -> tell(new FtEvent.Closed(bySideOfPeer)));
  }

  private void disconnect() {
    SimHost to = peer;
    if (!channelOpen || to == null) {
      return;
    }
    channelOpen = false;
    // What was sent before arrives before.
    long wait = Math.max(lastArrival - world.now(), 0) + world.between(0, 2 * SimWorld.MS);
    world.after(wait, () -> to.cutChannel(true));
  }

  /** The process dies, or with it its host, so that nobody hears of it. */
  void die(boolean withItsHost) {
    if (dead) {
      return;
    }
    if (withItsHost) {
      channelOpen = false;
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
    FtSession.State before = session.state();
    List<FtAction> actions = session.on(event, clock());
    if (event instanceof FtEvent.Ruled || session.state() != before) {
      world.trace("%s %s -> %s on %s".formatted(name, before, session.state(), event));
    }
    for (FtAction action : actions) {
      perform(action);
    }
  }

  private void perform(FtAction action) {
    switch (action) {
      case FtAction.Send send -> send(send.message());
      case FtAction.SendBeat beat -> sendBeat(beat.sequence(), beat.echo());
      case FtAction.StartLog _ -> world.after(SimWorld.MS, () -> whenAwake(this::startLog));
      case FtAction.CutLog _ -> cut = true;
      case FtAction.Receive _ -> {
        gate.follow();
        pipe = new FramePipe(1 << 20, () -> {});
        send(new PeerMessage.Welcome(1));
      }
      case FtAction.EndLog end -> {
        logOver = true;
        live = end.live();
        FramePipe to = pipe;
        if (to != null) {
          to.end();
        }
        world.after(world.between(0, 5 * SimWorld.MS), () -> whenAwake(this::follow));
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
      case FtAction.Claim _ ->
          world.after(
              world.between(0, 20 * SimWorld.MS),
              () -> {
                Arbiter.Ruling ruling =
                    world.claim(new Claimant(session.vm(), session.epoch(), session.side()));
                world.after(
                    world.between(0, 5 * SimWorld.MS),
                    () -> whenAwake(() -> tell(new FtEvent.Ruled(ruling))));
              });
      case FtAction.Disconnect _ -> disconnect();
      case FtAction.Halt _ -> running = false;
      case FtAction.Resync _, FtAction.Note _ -> {
        // For people; and no replay goes astray here.
      }
    }
  }

  // The guest.

  private long position() {
    EntryFramer log = framer;
    return log == null ? 0 : log.position();
  }

  private void startLog() {
    EntryFramer log =
        new EntryFramer(
            (frame, _) -> {
              if (!cut) {
                send(new PeerMessage.Frame(Bytes.copyOf(frame)));
              }
            });
    framer = log;
    gate.restart();
    try (OutputStream state = log.stateStream()) {
      state.write(ByteBuffer.allocate(Long.BYTES).putLong(guest).array());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    running = true;
    scheduleInput();
  }

  private void scheduleInput() {
    world.after(
        world.between(0, 6 * SimWorld.MS),
        () -> {
          whenAwake(this::liveInput);
          if (!dead && !ended) {
            scheduleInput();
          }
        });
  }

  private void liveInput() {
    if (!running || ended) {
      return;
    }
    byte[] content = {(byte) world.random.nextInt()};
    EntryFramer log = framer;
    if (log != null && session.side() == Claimant.Side.PRIMARY && !cut) {
      log.append(new LogEntry.Input(new ExternalInput.ConsoleBytes(Bytes.copyOf(content))));
    }
    take(content[0]);
  }

  /** The guest takes an input, and shows something after about every second one. */
  private void take(byte input) {
    guest = (guest ^ input) * 0x9E3779B97F4A7C15L;
    guest ^= guest >>> 32;
    if ((guest & 1) == 0) {
      EntryFramer log = framer;
      long position = 0;
      if (log != null) {
        log.append(new LogEntry.Output(0));
        log.flush();
        position = log.position();
      }
      try {
        gate.put(new Output.Console((int) (guest >>> 8) & BYTE), position);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** The backup's replay, as far as the log has come. */
  private void follow() {
    FramePipe from = pipe;
    if (from == null || dead || running || session.state() == FtSession.State.HALTED) {
      return;
    }
    try {
      LogReader log = reader;
      if (log == null) {
        log = LogReader.read(from);
        reader = log;
      }
      if (!restored) {
        if (from.isEmpty()) {
          return;
        }
        InputStream state = log.stateStream();
        guest = ByteBuffer.wrap(state.readNBytes(Long.BYTES)).getLong();
        restored = true;
        tell(new FtEvent.Restored());
      }
      while (log.position() < received) {
        if (log.take() instanceof LogEntry.Input input
            && input.input() instanceof ExternalInput.ConsoleBytes console) {
          take((byte) console.content().at(0));
        }
      }
      if (logOver && live && !ended) {
        running = true;
        framer = null;
        tell(new FtEvent.WentLive());
        scheduleInput();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void pump() {
    boolean any = false;
    while (true) {
      long at = gate.consoleReleased();
      long head = gate.headPosition();
      Output next = gate.poll();
      if (next == null) {
        break;
      }
      any = true;
      SimHost other = peer;
      if (session.state() == FtSession.State.PROTECTED && other != null && head > other.received) {
        throw new AssertionError(
            "%s shows byte %d of position %d; the backup has %d"
                .formatted(name, at, head, other.received));
      }
      world.trace("%s shows byte %d".formatted(name, at));
      world.show(name, at, ((Output.Console) next).value());
    }
    if (any
        && (session.state() == FtSession.State.PAIRING
            || session.state() == FtSession.State.PROTECTED)) {
      send(new PeerMessage.Released(gate.consoleReleased()));
    }
  }

  /** The guest ends in order, as after a power-off. */
  void powerOff() {
    if (running && !ended && session.isTheVm()) {
      ended = true;
      running = false;
      EntryFramer log = framer;
      if (log != null) {
        log.flush();
      }
      whenDrained();
    }
  }

  private void whenDrained() {
    if (dead || session.state() == FtSession.State.HALTED) {
      return;
    }
    if (gate.waiting() > 0) {
      world.after(SimWorld.MS, () -> whenAwake(this::whenDrained));
    } else {
      tell(new FtEvent.GuestEnded("power off"));
    }
  }

  int outputsWaiting() {
    return gate.waiting();
  }
}
