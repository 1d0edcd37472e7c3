package lockstep.replay.ft;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.security.SecureRandom;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.state.Bytes;
import lockstep.replay.log.FramePipe;
import lockstep.replay.log.LogFormatException;
import org.jspecify.annotations.Nullable;

/**
 * One side of a pair at work: gives the {@link FtSession} its thread, clock, connection and disk,
 * and does what it says.
 *
 * <p>Everything runs on the network's loop thread, but for claims of the disk and connecting, which
 * may block and have a thread of their own.
 */
public final class FtNode implements AutoCloseable {
  /** What a backup holds of the log before it lets the primary wait. */
  private static final long PIPE_BYTES = 16 << 20;

  private static final int KEY_BYTES = 32;
  private static final long CLOSE_SECONDS = 2;

  /** The machine, as the session's orders reach it. Called on the loop thread; returns at once. */
  public interface Vm {
    /** Primary: copy the state into the stream and record into it from there. */
    void startLog(LogStream stream);

    /** Primary: nobody follows any more; the log goes nowhere. */
    void cutLog();

    /** Backup: become what the pipe brings; then {@link FtNode#restored}. */
    void follow(Claimant self, FramePipe pipe);

    /** Backup: the pipe ends; replay the rest and go live, or stop. */
    void endLog(boolean live);

    /** Stop for good; the world is to see nothing more. */
    void halt(String reason);

    /** Backup: entries that the replay has taken. */
    long replayed();

    /** Something for the user to know. */
    void note(String text);
  }

  /** How connections are made; {@code lockstep.replay.channel} implements it. */
  public interface Network {
    /** Its thread. */
    ScheduledExecutorService loop();

    /** See {@code PeerNetwork#connect}. */
    PeerLink connect(InetSocketAddress to, long timeoutMillis, PeerLink.Listener listener)
        throws IOException, InterruptedException;
  }

  private final Network network;
  private final Arbiter arbiter;
  private final OutputGate gate;
  private final FtSession session;
  private final ExecutorService blocking =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("arbiter").factory());
  private final ScheduledFuture<?> ticks;
  private final long connectMillis;
  private final long closedNanos;
  private final Resyncs resyncs = new Resyncs();
  private volatile boolean holding;
  private volatile @Nullable InetSocketAddress backup;
  private @Nullable Vm vm;

  // Loop thread only.
  private @Nullable PeerLink link;
  private @Nullable LogStream stream;

  /** The stream whose log the gate counts; see {@link #logBegins}. */
  private @Nullable LogStream counted;

  private @Nullable FramePipe pipe;
  private Bytes key = Bytes.empty();
  private long received = -1;
  private long receivedBytes;
  private boolean ackDue;
  private FtStatus.Transfer transfer = FtStatus.Transfer.NONE;
  private long claimedNanos;
  private long ruledNanos;
  private volatile FtStatus status;

  /** A side that does nothing yet; {@link #attach} gives it a machine. */
  public FtNode(
      Network network, Arbiter arbiter, OutputGate gate, FtSession session, FtTimes times) {
    this.network = network;
    this.arbiter = arbiter;
    this.gate = gate;
    this.session = session;
    this.closedNanos = times.closedNanos();
    this.connectMillis = Math.max(5_000, times.silenceNanos() / 1_000_000);
    this.status = FtStatus.of(session, "", transfer);
    this.ticks =
        network
            .loop()
            .scheduleAtFixedRate(
                () -> tell(new FtEvent.Tick()),
                times.beatNanos(),
                times.beatNanos(),
                TimeUnit.NANOSECONDS);
  }

  /** Connects it with its machine; before anything else. */
  public void attach(Vm newVm) {
    onLoop(() -> vm = newVm);
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
    Future<?> asked =
        blocking.submit(
            () -> {
              arbiter.enter(new Claimant(status.vm(), 1, Claimant.Side.PRIMARY));
              holding = true;
              return null;
            });
    await(asked);
  }

  /**
   * Primary: forms a pair with a backup; returns when the state's copy begins.
   *
   * @throws IOException when there is no such backup, or the disk refuses; one line
   */
  public void protect(InetSocketAddress with) throws IOException, InterruptedException {
    Future<?> asked =
        blocking.submit(
            () -> {
              FtStatus now = status;
              if (now.state() != FtSession.State.ALONE) {
                throw new IOException("the VM is " + now.state() + ", not alone");
              }
              arbiter.enter(new Claimant(now.vm(), now.epoch() + 1, Claimant.Side.PRIMARY));
              Incoming incoming = new Incoming();
              PeerLink to = connect(with, incoming, now);
              backup = with;
              network.loop().execute(() -> connected(to, incoming));
              return null;
            });
    await(asked);
  }

  private static void await(Future<?> asked) throws IOException, InterruptedException {
    try {
      asked.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
    }
  }

  private PeerLink connect(InetSocketAddress to, Incoming incoming, FtStatus before)
      throws IOException, InterruptedException {
    try {
      return network.connect(to, connectMillis, incoming);
    } catch (IOException e) {
      if (before.epoch() == 0 && !holding) {
        // This VM never had a pair, so the disk is not its own yet.
        arbiter.leave(new Claimant(before.vm(), 1, Claimant.Side.PRIMARY));
      }
      throw e;
    }
  }

  private void connected(PeerLink to, Incoming incoming) {
    if (session.state() != FtSession.State.ALONE) {
      to.close();
      return;
    }
    link = to;
    incoming.from = to;
    byte[] random = new byte[KEY_BYTES];
    new SecureRandom().nextBytes(random);
    key = Bytes.copyOf(random);
    perform(new FtEvent.Connected());
    to.send(
        new PeerMessage.Hello(
            PeerMessage.VERSION,
            session.name(),
            session.vm(),
            session.epoch(),
            key,
            to.heartbeatPort()));
  }

  /** Backup: a primary, or somebody, has connected. Loop thread. */
  public PeerLink.Listener accept(PeerLink from) {
    Incoming incoming = new Incoming();
    incoming.from = from;
    return incoming;
  }

  /** What comes in from one connection. */
  private final class Incoming implements PeerLink.Listener {
    private @Nullable PeerLink from;

    @Override
    public void said(PeerMessage message) {
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
        case PeerMessage.Frame frame -> frame(frame, peer);
        case PeerMessage.Hello _ -> {
          return; // Once is enough.
        }
        default -> {
          // All in the session.
        }
      }
      perform(new FtEvent.Said(message));
    }

    @Override
    public void saidAll() {
      if (ackDue && from == link) {
        acknowledge();
      }
    }

    @Override
    public void closed(boolean byPeer, String reason) {
      if (from == link && from != null) {
        perform(new FtEvent.Closed(byPeer));
        // Not at the next tick, which may be far away.
        lookAgain(from, byPeer);
      }
    }

    private void lookAgain(PeerLink closed, boolean byPeer) {
      ScheduledFuture<?> unused =
          network
              .loop()
              .schedule(
                  () -> {
                    if (closed == link) {
                      perform(new FtEvent.Closed(byPeer));
                    }
                  },
                  closedNanos,
                  TimeUnit.NANOSECONDS);
    }
  }

  private void stranger(PeerMessage message, PeerLink from) {
    if (message instanceof PeerMessage.Hello && session.state() == FtSession.State.WAITING) {
      link = from;
      perform(new FtEvent.Said(message));
      return;
    }
    from.send(
        new PeerMessage.Refuse(
            session.state() == FtSession.State.WAITING
                ? "a pair begins with hello"
                : "this side is busy: " + session.state() + " with VM " + session.name()));
    from.close();
  }

  private void frame(PeerMessage.Frame frame, PeerLink from) {
    FramePipe to = pipe;
    if (to == null) {
      return;
    }
    try {
      long now = to.put(frame.frame());
      receivedBytes += frame.frame().size();
      if (now != received) {
        received = now;
        ackDue = true;
      }
      if (to.isFull()) {
        from.reading(false);
      }
    } catch (LogFormatException e) {
      perform(new FtEvent.Diverged("the log " + e.getMessage()));
    }
  }

  private void acknowledge() {
    ackDue = false;
    PeerLink to = link;
    Vm machine = vm;
    if (to != null && machine != null && received >= 0) {
      long replayed = machine.replayed();
      to.send(new PeerMessage.Ack(received, replayed));
      transfer = new FtStatus.Transfer(received, received, replayed, receivedBytes, 0);
    }
  }

  /** Tells the session something. Any thread. */
  public void tell(FtEvent event) {
    onLoop(() -> perform(event));
  }

  private void onLoop(Runnable work) {
    try {
      network.loop().execute(work);
    } catch (RejectedExecutionException e) {
      // The network is closed: this side is over.
    }
  }

  private void perform(FtEvent event) {
    long now = System.nanoTime();
    if (event instanceof FtEvent.Ruled) {
      ruledNanos = now;
    }
    boolean takesOver = session.state() == FtSession.State.TAKING_OVER;
    List<FtAction> actions = session.on(event, now);
    for (FtAction action : actions) {
      perform(action);
    }
    if (takesOver && session.isTheVm()) {
      noteTakeover(now);
    }
    if (event instanceof FtEvent.Tick) {
      // So that a silent log still shows how far the backup is.
      ackDue = ackDue || session.state() == FtSession.State.FOLLOWING;
      if (ackDue) {
        acknowledge();
      }
    }
    PeerLink peer = link;
    status = FtStatus.of(session, peer == null ? "" : peer.peer(), transfer);
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
    PeerLink peer = link;
    switch (action) {
      case FtAction.Send send -> {
        if (peer != null) {
          peer.send(send.message());
        }
      }
      case FtAction.SendBeat beat -> {
        if (peer != null) {
          peer.sendBeat(beat.sequence(), beat.echo());
        }
      }
      case FtAction.StartLog _ -> {
        if (peer != null) {
          LogStream fresh = new LogStream(peer);
          stream = fresh;
          counted = null;
          machine.startLog(fresh);
        }
      }
      case FtAction.CutLog _ -> {
        if (stream != null) {
          stream.cut();
          machine.cutLog();
        }
      }
      case FtAction.Receive receive -> receive(receive.hello(), machine);
      case FtAction.EndLog end -> {
        machine.endLog(end.live());
        if (pipe != null) {
          pipe.end();
        }
      }
      case FtAction.Gate change -> gate.mode(change.mode());
      case FtAction.Lease lease -> gate.leaseUntil(lease.untilNanos());
      case FtAction.Acknowledged ack -> acknowledged(ack.ack());
      case FtAction.Forget forget -> gate.forget(forget.consoleBytes());
      case FtAction.Claim _ -> {
        claimedNanos = System.nanoTime();
        blocking.execute(this::claim);
      }
      case FtAction.Disconnect _ -> {
        if (peer != null) {
          peer.close();
          link = null;
        }
      }
      case FtAction.Halt halt -> machine.halt(halt.reason());
      case FtAction.Resync _ -> resync(machine);
      case FtAction.Note note -> machine.note(note.text());
    }
  }

  private void resync(Vm machine) {
    InetSocketAddress to = backup;
    if (to == null) {
      throw new IllegalStateException("a backup that went astray, and none was ever asked");
    }
    resyncs.plan(network.loop(), () -> protect(to), machine::note);
  }

  private void acknowledged(PeerMessage.Ack ack) {
    gate.acknowledged(ack.received());
    LogStream now = stream;
    if (now != null) {
      now.acknowledged(ack.received());
      long lag = now.replayed(ack.replayed(), System.nanoTime());
      transfer =
          new FtStatus.Transfer(
              now.sentEntries(), ack.received(), ack.replayed(), now.sentBytes(), lag);
    }
  }

  private void receive(PeerMessage.Hello hello, Vm machine) {
    PeerLink from = link;
    if (from == null) {
      return;
    }
    FramePipe fresh = new FramePipe(PIPE_BYTES, () -> onLoop(() -> from.reading(true)));
    pipe = fresh;
    gate.follow();
    received = -1;
    receivedBytes = 0;
    from.startBeats(hello.heartbeatKey(), hello.heartbeatPort());
    from.send(new PeerMessage.Welcome(from.heartbeatPort()));
    machine.follow(new Claimant(hello.vm(), hello.epoch(), Claimant.Side.BACKUP), fresh);
  }

  /** On the thread {@code arbiter}. */
  private void claim() {
    Claimant self = new Claimant(session.vm(), session.epoch(), session.side());
    Arbiter.Ruling ruling;
    try {
      ruling = arbiter.claim(self);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return;
    } catch (RuntimeException e) {
      // A bug of ours must not leave both sides waiting, nor may it win.
      ruling = new Arbiter.Ruling(Arbiter.Verdict.UNKNOWN, "internal error: " + e);
    }
    tell(new FtEvent.Ruled(ruling));
  }

  /**
   * Backup: makes this side known to the disk and says that it can follow. On the vCPU thread.
   *
   * @throws IOException when the disk refuses
   */
  public void restored(Claimant self) throws IOException {
    arbiter.enter(self);
    tell(new FtEvent.Restored());
  }

  /**
   * Primary: everything shown so far has been told to {@link #released}, and what is shown from now
   * on counts from the beginning of this stream's log. On the vCPU thread.
   */
  public void logBegins(LogStream of) {
    onLoop(
        () -> {
          if (of == stream) {
            counted = of;
          }
        });
  }

  /** Primary: outputs have left. Any thread. */
  public void released(long consoleBytes) {
    onLoop(
        () -> {
          FtSession.State state = session.state();
          PeerLink to = link;
          // While the state is on its way the count is still that of an earlier log, or of none.
          if (to != null
              && counted == stream
              && (state == FtSession.State.PAIRING || state == FtSession.State.PROTECTED)) {
            to.send(new PeerMessage.Released(consoleBytes));
          }
        });
  }

  /** The VM is over: gives up the disk, as far as it is this side's to give up. */
  public void leave() throws IOException {
    FtStatus now = status;
    if (now.epoch() > 0 || holding) {
      arbiter.leave(new Claimant(now.vm(), Math.max(1, now.epoch()), now.side()));
    }
  }

  /** Waits until everything told before has been done. Not on the loop thread. */
  public void settle() throws InterruptedException {
    try {
      network.loop().submit(() -> {}).get(CLOSE_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException | java.util.concurrent.TimeoutException e) {
      throw new IllegalStateException("the loop thread does not answer", e);
    } catch (RejectedExecutionException e) {
      // Closed already.
    }
  }

  @Override
  public void close() {
    ticks.cancel(false);
    onLoop(
        () -> {
          if (link != null) {
            link.close();
            link = null;
          }
        });
    blocking.shutdownNow();
  }
}
