package lockstep.replay.ft;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import lockstep.replay.ft.backup.LogIntake;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.output.OutputGate;
import lockstep.replay.ft.peer.LoopPriority;
import lockstep.replay.ft.peer.PeerConnector;
import lockstep.replay.ft.peer.PeerEndpoint;
import lockstep.replay.ft.peer.PeerLink;
import lockstep.replay.ft.peer.VitalLoop;
import lockstep.replay.ft.primary.LogStream;
import lockstep.replay.ft.protocol.FtAction;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.FtStatus;
import lockstep.replay.ft.protocol.FtTimes;
import lockstep.replay.ft.protocol.PairProgress;
import lockstep.replay.ft.protocol.PeerMessage;
import lockstep.replay.ft.protocol.VitalSign;
import lockstep.replay.log.FramePipe;
import lockstep.replay.log.LogFormatException;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * One side of a pair at work: gives the {@link FtSession} its thread, clock, connection and disk,
 * and does what it says.
 *
 * <p>Everything runs on the network's loop thread, but for claims of the disk and connecting, which
 * may block and have a thread of their own.
 */
public final class FtNode implements AutoCloseable {
  private static final long CLOSE_NANOS = TimeUnit.SECONDS.toNanos(2);

  /** A first TLS handshake of two JVMs that have just started on busy hosts takes seconds. */
  private static final long CONNECT_MILLIS = 10_000;

  /** The machine, as the session's orders reach it. Called on the loop thread; returns at once. */
  public interface Vm {
    /** Primary: copy the state into the stream and record into it from there. */
    void startLog(LogStream stream);

    /** Primary: nobody follows any more; the log goes nowhere. */
    void cutLog();

    /** Backup: become what the pipe brings; then say {@link FtEvent.Restored}. */
    void follow(Claimant self, FramePipe pipe);

    /** Backup: the pipe ends; replay the rest and go live, or stop. */
    void endLog(boolean live);

    /** Stop for good; the world is to see nothing more. */
    void halt(String reason);

    /** Backup: entries that the replay has taken. */
    long replayed();

    /** Something for the user to know. */
    void note(String text);

    /** The threads that this side cannot do without. */
    List<VitalSign> vitalSigns();

    /** Ends the process at once, with a line for the user. */
    void failStop(String reason);
  }

  private final Scheduler host;
  private final FtTimes times;
  private final PeerConnector network;
  private final VitalLoop loop;
  private final OutputGate gate;
  private final FtSession session;
  private final DiskDecisions disk;
  private final PeerEndpoint endpoint;
  private final ScheduledFuture<?> ticks;
  private final long connectMillis;
  private final Resyncs resyncs;
  private final PairProgress progress;
  private final LoopPriority priority;
  private volatile @Nullable InetSocketAddress backup;
  private volatile FtStatus status;

  // Loop thread only.
  private @Nullable Vm vm;
  private @Nullable LogIntake intake;
  private @Nullable LogStream stream;

  /** The stream whose log the gate counts, see {@link #logBegins}; null until that log begins. */
  private @Nullable LogStream counted;

  private FtStatus.Transfer transfer = FtStatus.Transfer.NONE;
  private long claimedNanos;
  private long ruledNanos;

  /** A side that does nothing yet; {@link #attach} gives it a machine. */
  public FtNode(
      Scheduler host,
      PeerConnector network,
      Arbiter arbiter,
      OutputGate gate,
      FtSession session,
      FtTimes times) {
    this.host = host;
    this.times = times;
    this.resyncs = new Resyncs(host);
    this.progress = new PairProgress(times, host.steadyNanos());
    this.priority = new LoopPriority(host, times, host.steadyNanos());
    this.network = network;
    this.loop = new VitalLoop(host, network.loop());
    this.gate = gate;
    this.session = session;
    this.disk = new DiskDecisions(host, arbiter);
    this.endpoint = new PeerEndpoint(host, loop, session, times, new ChannelInput());
    this.connectMillis = Math.max(CONNECT_MILLIS, times.silenceNanos() / 1_000_000);
    this.status = FtStatus.of(session, "", transfer);
    this.ticks = loop.every(() -> post(new FtEvent.Tick()), times.beatNanos());
  }

  /** Connects it with its machine; before anything else. */
  public void attach(Vm newVm) {
    loop.execute(
        () -> {
          vm = newVm;
          progress.watch(newVm.vitalSigns());
        });
  }

  /** How things stand. Any thread. */
  public FtStatus status() {
    return status;
  }

  /**
   * Primary that starts without a backup: has the disk from here on, as in the first pair.
   *
   * @throws IOException when the disk refuses; one line
   */
  public void hold() throws IOException, InterruptedException {
    disk.hold(status.vm());
  }

  /**
   * Primary: forms a pair with a backup; returns when the state's copy begins.
   *
   * @throws IOException when there is no such backup, or the disk refuses; one line
   */
  public void protect(InetSocketAddress with) throws IOException, InterruptedException {
    disk.call(
        () -> {
          FtStatus before = status;
          if (before.state() != FtState.ALONE) {
            throw new IOException("the VM is " + before.state() + ", not alone");
          }
          disk.enter(new Claimant(before.vm(), before.epoch() + 1, Claimant.Side.PRIMARY));
          PeerEndpoint.Incoming incoming = endpoint.toBackup();
          PeerLink to = connect(with, incoming, before);
          backup = with;
          loop.execute(() -> endpoint.connected(to, incoming));
          // Who asks next is to find that the VM is not alone any more.
          settle();
          return null;
        });
  }

  private PeerLink connect(InetSocketAddress to, PeerLink.Listener incoming, FtStatus before)
      throws IOException, InterruptedException {
    try {
      return network.connect(to, connectMillis, incoming);
    } catch (IOException e) {
      disk.notPaired(before);
      throw e;
    }
  }

  /** Backup: a primary, or somebody, has connected. Loop thread. */
  public PeerLink.Listener accept(PeerLink from) {
    return endpoint.accept(from);
  }

  /** Backup: somebody has connected who was not let in. Loop thread. */
  public void turnedAway(String who, String why) {
    endpoint.turnedAway(who, why);
  }

  /** What the pair's connection brings. */
  private final class ChannelInput implements PeerEndpoint.Receiver {
    @Override
    public void event(FtEvent event) {
      perform(event);
    }

    @Override
    public void frame(ByteBuffer frame) {
      LogIntake into = intake;
      if (into != null) {
        try {
          into.frame(frame);
        } catch (LogFormatException e) {
          perform(new FtEvent.Diverged("the log " + e.getMessage()));
        }
      }
    }

    @Override
    public void batchReceived() {
      acknowledge(false);
      LogIntake from = intake;
      if (from != null) {
        from.pipe().wake();
        if (session.state() == FtState.RECEIVING) {
          perform(new FtEvent.Received(from.received()));
        }
      }
    }

    @Override
    public void note(String text) {
      Vm machine = vm;
      if (machine != null) {
        machine.note(text);
      }
    }
  }

  /** Backup: acknowledges what has come in since the last time, or anyway. */
  private void acknowledge(boolean anyway) {
    LogIntake from = intake;
    Vm machine = vm;
    if (from != null && machine != null && endpoint.isOpen() && (anyway || from.isDue())) {
      transfer = from.acknowledge(machine.replayed());
    }
  }

  /** Tells the session something. Any thread. */
  public void post(FtEvent event) {
    loop.execute(() -> perform(event));
  }

  private void perform(FtEvent event) {
    Optional<String> complaint = complaint(event);
    if (complaint.isPresent()) {
      perform(new FtEvent.Violation(complaint.get()));
      return;
    }
    long now = host.steadyNanos();
    if (event instanceof FtEvent.Ruled) {
      ruledNanos = now;
    }
    boolean takesOver = session.state() == FtState.TAKING_OVER;
    if (event instanceof FtEvent.Connected && session.state() == FtState.ALONE) {
      // What is shown until the new log begins is of an earlier one, or of none.
      counted = null;
    }
    List<FtAction> actions = session.on(event, now);
    for (FtAction action : actions) {
      perform(action);
    }
    if (session.state() == FtState.ALONE) {
      // Won, or the backup has promised never to claim.
      disk.contested(false);
    }
    if (takesOver && session.isTheVm()) {
      // What this side received is another one's log.
      transfer = FtStatus.Transfer.NONE;
      noteTakeover(now);
    }
    if (event instanceof FtEvent.Tick) {
      priority.tick(now);
      // So that a silent log still shows how far the backup is.
      acknowledge(session.state() == FtState.FOLLOWING || session.state() == FtState.CATCHING_UP);
      checkProgress(now);
    }
    priority.in(session.state());
    status = FtStatus.of(session, endpoint.peer(), transfer);
  }

  /** Beside heartbeats, which a side sends that does nothing else any more. */
  private void checkProgress(long now) {
    FtState state = session.state();
    LogStream log = stream;
    LogIntake from = intake;
    boolean primary = log != null && (state == FtState.PROTECTED || state == FtState.HANDING_OVER);
    // The replay waits for entries or for the disk's word, and the recorded guest for room.
    boolean excused =
        session.isTheVm()
            ? log != null && log.isWaiting()
            : from == null || from.pipe().available() == 0;
    Optional<FtStatus.Transfer> sent =
        primary && log != null
            ? Optional.of(
                new FtStatus.Transfer(
                    log.sentEntries(),
                    transfer.acknowledgedEntries(),
                    transfer.replayedEntries(),
                    0,
                    0))
            : Optional.empty();
    long traffic =
        session.isTheVm()
            ? log == null ? 0 : log.sentBytes()
            : from == null ? 0 : from.takenBytes();
    progress.tick(sent, excused, traffic, now).forEach(this::perform);
  }

  /** What is wrong with the console bytes that the primary tells of, when it matters. */
  private Optional<String> complaint(FtEvent event) {
    boolean due =
        event instanceof FtEvent.CaughtUp
            || (event instanceof FtEvent.Tick
                && session.state() == FtState.FOLLOWING
                && gate.isOverfull());
    return due ? gate.complaint() : Optional.empty();
  }

  private void noteTakeover(long now) {
    Vm machine = vm;
    if (machine != null) {
      machine.note(
          "won the disk in %.1f ms, replayed the rest of the log in %.1f ms"
              .formatted((ruledNanos - claimedNanos) / 1e6, (now - ruledNanos) / 1e6));
    }
  }

  private void perform(FtAction action) {
    Vm machine = vm;
    if (machine == null) {
      throw new IllegalStateException("no machine for " + action);
    }
    switch (action) {
      case FtAction.Send send -> endpoint.ifOpen(peer -> peer.send(send.message()));
      case FtAction.SendBeat beat -> endpoint.ifOpen(peer -> peer.sendBeat(beat));
      case FtAction.SendBegin _ -> {
        disk.contested(true);
        endpoint.ifOpen(this::sendBegin);
      }
      case FtAction.StartLog _ -> endpoint.ifOpen(peer -> startLog(peer, machine));
      case FtAction.SealLog _ -> {
        if (intake != null) {
          intake.pipe().end();
        }
      }
      case FtAction.CutLog _ -> {
        counted = null;
        if (stream != null) {
          stream.cut();
          machine.cutLog();
        }
      }
      case FtAction.Receive receive ->
          endpoint.ifOpen(peer -> receive(receive.hello(), peer, machine));
      case FtAction.EndLog end -> {
        machine.endLog(end.live());
        if (intake != null) {
          intake.pipe().end();
        }
      }
      case FtAction.Gate change -> gate.mode(change.mode());
      case FtAction.Lease lease -> {
        disk.followed(lease.untilNanos() - times.leaseNanos());
        gate.leaseUntil(lease.untilNanos());
      }
      case FtAction.Acknowledged ack -> acknowledged(ack.ack());
      case FtAction.Forget forget -> gate.forget(forget.consoleBytes());
      case FtAction.Claim _ -> claim();
      case FtAction.Disconnect _ -> endpoint.close();
      case FtAction.Halt halt -> machine.halt(halt.reason());
      case FtAction.FailStop stop -> machine.failStop(stop.reason());
      case FtAction.Resync _ -> resync(machine);
      case FtAction.Note note -> machine.note(note.text());
    }
  }

  private void startLog(PeerLink peer, Vm machine) {
    LogStream fresh = new LogStream(peer, host);
    stream = fresh;
    counted = null;
    machine.startLog(fresh);
  }

  private void claim() {
    claimedNanos = host.steadyNanos();
    disk.claim(
        new Claimant(session.vm(), session.epoch(), session.side()),
        ruling -> post(new FtEvent.Ruled(ruling)));
  }

  private void resync(Vm machine) {
    InetSocketAddress to = backup;
    if (to == null) {
      throw new IllegalStateException("a backup that went astray, and none was ever asked");
    }
    resyncs.plan(loop, () -> protect(to), machine::note);
  }

  private void sendBegin(PeerLink peer) {
    LogStream log = stream;
    if (log == null) {
      throw new IllegalStateException("a backup that is ready, and no log");
    }
    peer.send(new PeerMessage.Begin(log.sentEntries()));
  }

  private void acknowledged(PeerMessage.Ack ack) {
    LogStream log = stream;
    long sent = log == null ? 0 : log.sentEntries();
    if (ack.received() > sent || ack.replayed() > ack.received()) {
      perform(
          new FtEvent.Violation(
              "the backup acknowledges %d entries and has replayed %d, of %d that were sent"
                  .formatted(ack.received(), ack.replayed(), sent)));
      return;
    }
    gate.acknowledged(ack.received());
    if (log != null) {
      log.acknowledged(ack.received());
      long lag = log.replayed(ack.replayed(), host.nanoTime());
      transfer =
          new FtStatus.Transfer(
              log.sentEntries(), ack.received(), ack.replayed(), log.sentBytes(), lag);
    }
  }

  private void receive(PeerMessage.Hello hello, PeerLink from, Vm machine) {
    LogIntake fresh = new LogIntake(from, loop::execute, host, () -> acknowledge(true));
    intake = fresh;
    gate.follow();
    from.startBeats(hello.heartbeatKey(), hello.heartbeatPort());
    from.send(new PeerMessage.Welcome(from.heartbeatPort()));
    machine.follow(new Claimant(hello.vm(), hello.epoch(), Claimant.Side.BACKUP), fresh.pipe());
  }

  /**
   * Backup: makes this side known to the disk, before it says that it can follow.
   *
   * @throws IOException when the disk refuses
   */
  void enter(Claimant self) throws IOException, InterruptedException {
    disk.call(
        () -> {
          disk.enter(self);
          return null;
        });
  }

  /** Tells the session something of one pair; nothing, when it has gone on to the next one. */
  void post(Claimant of, FtEvent event) {
    loop.execute(
        () -> {
          if (session.epoch() == of.epoch() && session.vm().equals(of.vm())) {
            perform(event);
          }
        });
  }

  /**
   * Primary: everything shown so far has been told to {@link #released}, and what is shown from now
   * on counts from the beginning of this stream's log. On the vCPU thread.
   */
  public void logBegins(LogStream of) {
    loop.execute(
        () -> {
          if (of == stream) {
            counted = of;
            progress.logBegins();
            transfer = FtStatus.Transfer.NONE;
            perform(new FtEvent.LogBegan());
          }
        });
  }

  /** Primary: outputs have left. Any thread. */
  public void released(long consoleBytes) {
    loop.execute(
        () -> {
          FtState state = session.state();
          // While the state is on its way the count is still that of an earlier log, or of none.
          if (counted != null && (state == FtState.PAIRING || state == FtState.PROTECTED)) {
            endpoint.ifOpen(
                peer -> peer.send(new PeerMessage.Released(session.epoch(), consoleBytes)));
          }
        });
  }

  /** Backup: is none of this pair any more, and has promised not to claim. On the vCPU thread. */
  void left(Claimant self, boolean over) throws IOException, InterruptedException {
    disk.left(self, over);
  }

  /** The VM is over: gives up the disk, as far as it is this side's to give up. */
  public void leave() throws IOException {
    disk.leave(status);
  }

  /** Waits until everything told before has been done. Not on the loop thread. */
  public void settle() throws InterruptedException {
    loop.settle(CLOSE_NANOS);
  }

  @Override
  public void close() {
    ticks.cancel(false);
    loop.execute(endpoint::close);
    disk.close();
  }
}
