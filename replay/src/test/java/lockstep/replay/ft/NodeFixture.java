package lockstep.replay.ft;

import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.output.OutputGate;
import lockstep.replay.ft.peer.PeerConnector;
import lockstep.replay.ft.peer.PeerLink;
import lockstep.replay.ft.primary.LogStream;
import lockstep.replay.ft.protocol.FtAction;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.FtTimes;
import lockstep.replay.ft.protocol.GateMode;
import lockstep.replay.ft.protocol.PeerMessage;
import lockstep.replay.ft.protocol.VitalSign;
import lockstep.replay.log.FramePipe;
import lockstep.sys.HostScheduler;
import org.jspecify.annotations.Nullable;

/** A node between a network, a disk and a machine that only take down what they are told. */
final class NodeFixture implements PeerConnector, AutoCloseable {
  private static final long LIMIT_SECONDS = 60;

  /** A time-out that nothing here reaches. */
  static final FtTimes TIMES = FtTimes.of(600_000);

  private final ScheduledExecutorService loop = Executors.newSingleThreadScheduledExecutor();
  private final List<VitalSign> signs;
  private final List<PeerMessage> sent = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();
  private final List<LogStream> streams = new ArrayList<>();
  private final List<FramePipe> pipes = new ArrayList<>();
  private PeerLink.@Nullable Listener listener;
  private final AtomicLong nanos = new AtomicLong();
  private final List<String> failed = new CopyOnWriteArrayList<>();
  private volatile String failsAt = "";
  private volatile boolean urgent;
  private final HostScheduler host =
      new HostScheduler() {
        @Override
        public long steadyNanos() {
          return nanos.get();
        }

        @Override
        public boolean urgent(boolean on) {
          urgent = on;
          return true;
        }

        @Override
        public void failStop(String thread, Throwable cause) {
          failed.add(thread + ": " + cause.getMessage());
        }
      };
  final OutputGate gate = new OutputGate(GateMode.FREE, 4, host);
  final FtNode node;

  NodeFixture(FtSession session, VitalSign... signs) {
    this.signs = List.of(signs);
    node = new FtNode(host, this, disk(), gate, session, TIMES);
    node.attach(new Machine());
  }

  @Override
  public ScheduledExecutorService loop() {
    return loop;
  }

  @Override
  public PeerLink connect(InetSocketAddress to, long timeoutMillis, PeerLink.Listener newListener) {
    listener = newListener;
    return new Link();
  }

  /** What the node asks who has the disk. */
  Arbiter disk() {
    return new NoDisk();
  }

  /** From here on a call of this name meets an Error. */
  void failAt(String call) {
    failsAt = call;
  }

  private void meet(String call) {
    if (call.equals(failsAt)) {
      throw new StackOverflowError("planted at " + call);
    }
  }

  /** For what the process would have ended. */
  List<String> failed() {
    return List.copyOf(failed);
  }

  /** A primary has connected. */
  void accept() throws Exception {
    onLoop(() -> listener = node.accept(new Link()));
  }

  void onLoop(Runnable work) throws Exception {
    loop.submit(work).get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  /** The other side says something. */
  void hear(PeerMessage message) throws Exception {
    onLoop(
        () -> {
          PeerLink.Listener now = listener;
          if (now == null) {
            throw new IllegalStateException("no connection");
          }
          now.received(message);
          now.batchReceived();
        });
  }

  /** Time passes, in which the other side says this again and again. */
  void pass(long millis, PeerMessage again) throws Exception {
    for (long left = TimeUnit.MILLISECONDS.toNanos(millis); left > 0; left -= TIMES.beatNanos()) {
      nanos.addAndGet(TIMES.beatNanos());
      hear(again);
      node.post(new FtEvent.Tick());
    }
    node.settle();
  }

  /** A tick comes twice as late as it is due. */
  void lateTick() throws Exception {
    nanos.addAndGet(2 * TIMES.beatNanos());
    node.post(new FtEvent.Tick());
    node.settle();
  }

  /** What was sent by now, without heartbeats. */
  List<PeerMessage> sent() throws Exception {
    node.settle();
    List<PeerMessage> all = new ArrayList<>();
    onLoop(() -> all.addAll(sent));
    return all;
  }

  List<String> notes() throws Exception {
    node.settle();
    List<String> all = new ArrayList<>();
    onLoop(() -> all.addAll(notes));
    return all;
  }

  /** The stream of the log that was begun last. */
  LogStream stream() throws Exception {
    node.settle();
    List<LogStream> all = new ArrayList<>();
    onLoop(() -> all.addAll(streams));
    return all.getLast();
  }

  /** Whether the loop thread goes before all others. */
  boolean isUrgent() {
    return urgent;
  }

  void await(FtState state) throws Exception {
    long start = System.nanoTime();
    while (node.status().state() != state) {
      if (System.nanoTime() - start > TimeUnit.SECONDS.toNanos(LIMIT_SECONDS)) {
        throw new TimeoutException("it is " + node.status().state() + ", not " + state);
      }
      Thread.sleep(1);
    }
  }

  @Override
  public void close() {
    node.close();
    loop.shutdownNow();
  }

  private final class Link implements PeerLink {
    @Override
    public void send(PeerMessage message) {
      meet("send");
      sent.add(message);
    }

    @Override
    public void sendFrame(byte[] header, ByteBuffer body) {
      // Counted by the stream.
    }

    @Override
    public boolean hasRoom() {
      return true;
    }

    @Override
    public void sendBeat(FtAction.SendBeat beat) {
      // None is wanted.
    }

    @Override
    public int heartbeatPort() {
      return 7;
    }

    @Override
    public void startBeats(Bytes key, int peerPort) {
      // None is wanted.
    }

    @Override
    public void reading(boolean on) {
      // Everything is told here.
    }

    @Override
    public void close() {
      // Nothing is open.
    }

    @Override
    public String peer() {
      return "there";
    }
  }

  private final class Machine implements FtNode.Vm {
    @Override
    public void startLog(LogStream stream) {
      streams.add(stream);
    }

    @Override
    public void cutLog() {
      // There is no machine.
    }

    @Override
    public void follow(Claimant self, FramePipe pipe) {
      pipes.add(pipe);
    }

    @Override
    public void endLog(boolean live) {
      // There is no machine.
    }

    @Override
    public void halt(String reason) {
      notes.add(reason);
    }

    @Override
    public long replayed() {
      return 0;
    }

    @Override
    public List<VitalSign> vitalSigns() {
      return signs;
    }

    @Override
    public void failStop(String reason) {
      notes.add("fail-stop: " + reason);
    }

    @Override
    public void note(String text) {
      notes.add(text);
    }
  }

  /** Answers nothing: whoever asks it goes on asking. */
  private final class NoDisk implements Arbiter {
    @Override
    public void enter(Claimant self) {
      meet("enter");
    }

    @Override
    public Ruling claim(Claimant self) {
      return new Ruling(Verdict.UNKNOWN, "no disk");
    }

    @Override
    public void part(Claimant self) {
      meet("part");
    }

    @Override
    public void leave(Claimant self) {
      // As it likes.
    }

    @Override
    public void contested(boolean may) {
      // It does not forget.
    }

    @Override
    public void followed(long nanos) {
      // It does not forget.
    }

    @Override
    public boolean holds() {
      return true;
    }

    @Override
    public boolean fences() {
      return false;
    }

    @Override
    public void close() {
      // Nothing is open.
    }
  }
}
