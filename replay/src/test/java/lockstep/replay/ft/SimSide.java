package lockstep.replay.ft;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.host.DiskBridge;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.disk.GuestDisk;
import lockstep.replay.ft.output.Output;
import lockstep.replay.ft.output.OutputGate;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.FtTimes;
import lockstep.replay.ft.protocol.GateMode;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.replay.record.RecordOptions;
import lockstep.replay.record.StepReach;

/**
 * One process of Lockstep in the simulation: the production node and VM, put together as the
 * commands do it, with the world's clock, threads, network, disk and terminal around them.
 */
final class SimSide {
  private static final String VM = "00112233445566778899aabbccddeeff";
  private static final int GATE_OUTPUTS = 1 << 10;
  private static final RecordOptions RECORDED =
      new RecordOptions(StepReach.NONE, 1, true, 50 * SimWorld.MS, 300 * SimWorld.MS, 16);

  /** Which entries of which connection the other side needs before an output may leave. */
  private record Needed(SimLink link, long entries) {}

  final String name;
  final SimHost host;
  final SimWorld world;
  final SimCluster cluster;
  final SimProcess process;
  final SimNetwork network;
  final FtTimes times;
  final FtSession session;
  final FtNode node;
  final FtVm vm;
  private final OutputGate gate;
  private final SimExecutor diskThread;
  private final List<String> unanswered = new ArrayList<>();
  private FtState last;

  // What it has shown and may show.
  private final Map<Long, Needed> bytesNeed = new HashMap<>();
  private final Map<Long, Needed> requestsNeed = new HashMap<>();
  private final Set<Long> shown = new HashSet<>();
  private Optional<Runnable> asked = Optional.empty();
  private long nextByte;
  private boolean counted = true;

  /** Console bytes that the gate had given out when the present machine came. */
  private long takenBefore;

  private long divergesAtExit = Long.MAX_VALUE;
  private long exited;
  private long consoleBackNanos;

  /** The host's power goes when its guest has made so many exits. */
  private long diesAtExit = Long.MAX_VALUE;

  private Optional<String> wrong = Optional.empty();

  /** Whether the present write to the terminal was under way when it lost; there may be one. */
  private boolean late;

  /** Its console takes bytes now. */
  private boolean inTerminal;

  private int lateWrites;
  private boolean faulty;
  private boolean given;
  private Optional<VmEnd> end = Optional.empty();

  SimSide(SimHost host, boolean primary) {
    this.host = host;
    this.cluster = host.cluster;
    this.world = cluster.world;
    this.times = cluster.times;
    this.name = host.begin();
    this.process = new SimProcess(name, world, drift(), this::died);
    this.network = new SimNetwork(host, process, this::look);
    this.session = primary ? FtSession.primary("sim", VM, times) : FtSession.backup(times);
    this.last = session.state();
    this.gate = new OutputGate(GateMode.FREE, GATE_OUTPUTS, process);
    this.diskThread = new SimExecutor("disk", process);
    this.node = new FtNode(process, network, cluster.storage.arbiter(this), gate, session, times);
    Medium medium = new Medium();
    this.vm =
        new FtVm(
            process,
            (state, doors, clock) -> received(SimGuest.receive(this, state, doors, clock)),
            node,
            gate,
            new FtVm.Outlets(
                new Terminal(),
                medium,
                line -> world.trace(name + ": " + line.lines().findFirst().orElse(""))),
            RECORDED);
    DiskBridge bridge =
        new DiskBridge(0, cluster.storage.device(this), vm.queue()::offer, this::permit);
    gate.onChange(bridge::permitChanged);
    medium.bridge = Optional.of(bridge);
    node.attach(vm);
    host.runs(this);
    type();
  }

  private double drift() {
    return cluster.plant == SimPlant.FAST_CLOCKS ? 0.4 : 0.01;
  }

  private SimGuest received(SimGuest made) {
    // Its gate counts from the first byte that the log makes.
    nextByte = made.memory().consoleBytes;
    counted = false;
    // The former machine's memory has gone with it, and what that machine's guest saw.
    faulty = false;
    wrong = Optional.empty();
    takenBefore = gate.taken(Output.Kind.CONSOLE);
    return made;
  }

  /** Which byte the terminal gets next: what the other side has shown is known when it is over. */
  private void count() {
    long taken;
    long released;
    do {
      // Each look takes the gate's lock, and other threads may have their turn.
      taken = gate.taken(Output.Kind.CONSOLE);
      released = gate.consoleReleased();
    } while (taken != gate.taken(Output.Kind.CONSOLE));
    if (!counted) {
      counted = true;
      nextByte += released - (taken - takenBefore);
    }
  }

  /** Runs the VM here; with a backup as {@code lockstep primary --backup} does. */
  void primary(Optional<SimHost> backup) {
    command(
        "primary",
        () -> {
          try {
            node.hold();
          } catch (IOException e) {
            // The command fails, and there has been no VM.
            given = true;
            world.after(0, process::die);
            throw e;
          }
          vm.start(doors -> new SimGuest(this, doors), 0, backup.isPresent());
          if (backup.isPresent()) {
            try {
              node.protect(address(backup.get()));
            } catch (IOException e) {
              vm.halt("not protected");
              node.leave();
            }
          }
        });
    untilTheEnd();
  }

  /** Waits for primaries, as {@code lockstep backup} does. */
  void backup() {
    network.listen(node::accept);
    untilTheEnd();
  }

  /** The process ends when the VM does, here. */
  private void untilTheEnd() {
    process
        .thread(
            "main",
            false,
            () -> {
              try {
                VmEnd how = vm.over().get();
                isOver(how);
                if (how instanceof VmEnd.Guest || node.status().state() == FtState.ALONE) {
                  leave();
                }
                end = Optional.of(how);
                ends(how);
              } catch (ExecutionException e) {
                process.uncaught("main", e);
              } catch (InterruptedException e) {
                throw new IllegalStateException(e);
              }
            })
        .start();
  }

  private void isOver(VmEnd how) {
    if (how instanceof VmEnd.Guest) {
      cluster.outside.isOver(this, how.toString());
    }
  }

  private void leave() {
    try {
      node.leave();
    } catch (IOException e) {
      // The command says so; others find the disk taken.
      world.trace("%s cannot leave the disk: %s".formatted(name, e.getMessage()));
    }
  }

  private void ends(VmEnd how) {
    world.trace("%s ends: %s".formatted(name, how));
    node.close();
    // What close() sends has its time; then the kernel closes all.
    world.after(100 * SimWorld.MS, process::die);
  }

  static InetSocketAddress address(SimHost of) {
    return InetSocketAddress.createUnresolved(of.name, of.number);
  }

  /** Something that a user waits for. */
  private interface Command {
    void run() throws Exception;
  }

  private void command(String what, Command work) {
    unanswered.add(what);
    process
        .thread(
            what,
            true,
            () -> {
              try {
                work.run();
              } catch (IOException e) {
                world.trace("%s: %s failed: %s".formatted(name, what, e.getMessage()));
              } catch (RejectedExecutionException e) {
                // The process is about to end.
                world.trace("%s: %s came too late".formatted(name, what));
              } catch (Exception e) {
                process.uncaught(what, e);
              }
              unanswered.remove(what);
            })
        .start();
  }

  // Its users.

  /** Types at the console now and then. */
  private void type() {
    world.after(
        world.between(0, 40 * SimWorld.MS),
        () -> {
          if (!process.isDead()) {
            type((byte) world.between('a', 'p'));
            if (world.now() < cluster.lengthNanos) {
              type();
            }
          }
        });
  }

  private void type(byte letter) {
    if (session.isTheVm()) {
      boolean unused =
          vm.queue().offer(new ExternalInput.ConsoleBytes(Bytes.copyOf(new byte[] {letter})));
    }
  }

  /** The user has the guest end itself. */
  void powerOff() {
    type((byte) SimGuest.POWER_OFF);
  }

  /** As {@code lockstep stop}. */
  void stop() {
    world.trace(name + " is stopped by its user");
    // One that was to go on does not, or the user was told so: as good as dead.
    given |= session.side() == Claimant.Side.BACKUP;
    if (node.status().state() == FtState.WAITING) {
      node.post(new FtEvent.Detach());
      vm.leave("stopped while waiting for a primary");
    } else if (node.status().side() == Claimant.Side.BACKUP) {
      node.post(new FtEvent.Detach());
    } else {
      vm.stop();
      if (cluster.plant == SimPlant.STOP_ANSWERED_AT_ONCE) {
        cluster.outside.isOver(this, "stopped");
      }
    }
  }

  void detach() {
    if (session.side() == Claimant.Side.PRIMARY) {
      cluster.outside.detaches();
      node.post(new FtEvent.Detach());
    }
  }

  /** As {@code lockstep protect}. */
  void protect(SimHost with) {
    if (session.state() == FtState.ALONE && session.epoch() > 0) {
      command("protect", () -> node.protect(address(with)));
    }
  }

  /** As {@code lockstep failover}. */
  void handOver(long limitNanos) {
    if (session.state() == FtState.PROTECTED) {
      command(
          "failover",
          () -> {
            CompletableFuture<PlannedFailover.Outcome> outcome = vm.handOver(limitNanos);
            world.trace("%s: failover: %s".formatted(name, outcome.get()));
          });
    }
  }

  // What goes wrong with it.

  /** The process dies, or with it its host, so that nobody hears of it. */
  void die(boolean withItsHost) {
    if (!process.isDead()) {
      world.trace(name + (withItsHost ? " loses its power" : " is killed"));
      if (withItsHost) {
        host.losePower();
      }
      process.die();
    }
  }

  private void died() {
    network.died(host.isSilent());
    unanswered.clear();
  }

  /** Nobody reads its console until then. */
  void ignoreConsole(long untilNanos) {
    consoleBackNanos = Math.max(consoleBackNanos, untilNanos);
  }

  /** Its replay goes astray in some exits. */
  void diverge(long afterExits) {
    divergesAtExit = exited + afterExits;
  }

  void dieAtExit(long exit) {
    diesAtExit = exit;
  }

  void divergeIfDue(SimMemory memory) {
    if (memory.exits >= divergesAtExit && isReplaying()) {
      world.trace(name + "'s memory rots at exit " + memory.exits);
      divergesAtExit = Long.MAX_VALUE;
      faulty = true;
      memory.mix(1);
    }
  }

  /** What its primary said cannot be understood: it does not go on from there. */
  void missesAnEntry() {
    faulty = true;
  }

  private boolean isReplaying() {
    return switch (session.state()) {
      case RECEIVING, FOLLOWING, CATCHING_UP, CLAIMING, TAKING_OVER ->
          session.side() == Claimant.Side.BACKUP;
      case WAITING, ALONE, PAIRING, PROTECTED, HANDING_OVER, HALTED, ENDED -> false;
    };
  }

  void exited(long exits) {
    if (exited == 0 && isTheVm()) {
      cluster.outside.begins(this);
    }
    exited = exits;
    if (exits >= diesAtExit) {
      die(world.chance(0.5));
    }
  }

  /** Everything is well again, but for the dead. */
  void heal() {
    process.wakeUp();
    consoleBackNanos = 0;
  }

  /** Whether one of its threads gets no CPU. */
  boolean isStalled() {
    return !process.isDead() && process.threads().stream().anyMatch(SimThread::isStalled);
  }

  /** Whether that cannot be told from a console that nobody reads, which may last for ever. */
  boolean isStalledInTerminal() {
    return inTerminal;
  }

  void unstall() {
    process.threads().forEach(SimThread::unstall);
  }

  // What its guest does.

  /** A byte is about to go to the gate. */
  void shows(long position) {
    asked = Optional.of(() -> need(position, bytesNeed));
  }

  /** A request is about to go to the gate. */
  void asks(BlockRequest request) {
    asked = Optional.of(() -> need(request.id(), requestsNeed));
  }

  /** It is in the gate, and the log up to it was sent. */
  void hasShown() {
    asked.ifPresent(Runnable::run);
    asked = Optional.empty();
  }

  private void need(long output, Map<Long, Needed> into) {
    link().ifPresent(link -> into.put(output, new Needed(link, link.sentEntries())));
  }

  /** The newest connection that a log goes over. */
  Optional<SimLink> link() {
    for (SimLink each : network.links().reversed()) {
      if (each.isFramed()) {
        return Optional.of(each);
      }
    }
    return Optional.empty();
  }

  /** From here on the gate counts for another log. */
  void logBegins() {
    bytesNeed.clear();
    requestsNeed.clear();
  }

  /**
   * The Output Rule, seen from outside. What left the gate while the pair was formed, and comes out
   * a moment after, did not wait: the backup needs it before it may claim.
   */
  private void checkAcknowledged(String what, Optional<Needed> need) {
    if (session.state() != FtState.PROTECTED || need.isEmpty()) {
      return;
    }
    Needed needed = need.get();
    long heard = needed.link().other().map(SimLink::heardEntries).orElse(0L);
    long promised = Math.max(heard, needed.link().begunEntries());
    if (link().equals(Optional.of(needed.link())) && needed.entries() > promised) {
      world.fail(
          "%s shows %s of entry %d; the backup has %d"
              .formatted(name, what, needed.entries(), heard));
    }
  }

  /**
   * Its guest has seen what it may not see; whatever it does from now on the world must not see.
   */
  void isWrongIfItShows(String what) {
    world.trace(what);
    wrong = wrong.or(() -> Optional.of(what));
  }

  /** Something of it reaches the world. */
  void reachesTheWorld() {
    wrong.ifPresent(world::fail);
  }

  boolean isLate() {
    return late;
  }

  boolean hasShown(long position) {
    return !shown.add(position);
  }

  /** The terminal. */
  private final class Terminal extends OutputStream {
    @Override
    public void write(int value) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void write(byte[] bytes, int offset, int count) throws IOException {
      inTerminal = true;
      try {
        show(bytes, offset, count);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new java.io.InterruptedIOException();
      } finally {
        inTerminal = false;
      }
    }

    private void show(byte[] bytes, int offset, int count) throws InterruptedException {
      while (consoleBackNanos > world.now()) {
        process.sleep(consoleBackNanos - world.now());
      }
      count();
      // The host may have been paused until here.
      late = late || (lateWrites == 0 && cluster.outside.mustBeSilent(SimSide.this));
      lateWrites += late ? 1 : 0;
      late = lateWrites == 1;
      for (int i = 0; i < count; i++) {
        long position = nextByte++;
        checkAcknowledged("byte " + position, Optional.ofNullable(bytesNeed.remove(position)));
        world.trace(name + " shows byte " + position);
        cluster.outside.shows(SimSide.this, position, bytes[offset + i] & 0xff);
        shown.add(position);
      }
    }
  }

  /** The disk, behind the production bridge. */
  private final class Medium implements GuestDisk {
    private Optional<DiskBridge> bridge = Optional.empty();

    @Override
    public void request(int disk, BlockRequest request) {
      if (!(request instanceof BlockRequest.Read)) {
        checkAcknowledged(
            request.toString(), Optional.ofNullable(requestsNeed.remove(request.id())));
      }
      bridge.orElseThrow().request(request);
    }

    @Override
    public void flush(long limitNanos) throws IOException, InterruptedException {
      // What is done is on the storage; it only has to answer.
      long until = process.nanoTime() + limitNanos;
      while (!cluster.storage.answers(SimSide.this)) {
        if (process.nanoTime() - until >= 0) {
          throw new IOException("no answer");
        }
        process.sleep(SimWorld.MS);
      }
    }

    @Override
    public void dropCache() {
      // The storage is asked each time.
    }
  }

  private WritePermit.Answer permit() {
    return cluster.plant == SimPlant.NO_WRITE_PERMIT ? WritePermit.Answer.START : gate.writes();
  }

  /** The storage has answered. */
  void completed(BlockResult result, Consumer<BlockResult> completion) {
    if (!process.isDead()) {
      diskThread.execute(() -> completion.accept(result));
    }
  }

  // How it stands.

  /** Follows the session's state, for the record. */
  private void look() {
    FtState now = session.state();
    plant(now);
    if (now != last) {
      world.trace("%s %s -> %s".formatted(name, last, now));
      cluster.transitions.add(last + " " + now);
      if (now == FtState.FOLLOWING) {
        cluster.outside.follows(this);
      } else if (now == FtState.WAITING) {
        // Given up while it could not replay: as good as dead.
        faulty |= isStalled();
        cluster.outside.waits(this);
      } else if (now == FtState.ALONE && exited > 0) {
        cluster.outside.isAlone(this);
      }
      if (now == FtState.ALONE) {
        count();
      }
      last = now;
    }
  }

  /** Takes a rule out of the node, where it is to be broken. */
  private void plant(FtState now) {
    boolean isPrimary = session.side() == Claimant.Side.PRIMARY;
    switch (cluster.plant) {
      case OUTPUT_BEFORE_ACK -> {
        if (now == FtState.PROTECTED) {
          gate.acknowledged(Long.MAX_VALUE);
        }
      }
      case NO_LEASE -> {
        if (now == FtState.PROTECTED) {
          gate.leaseUntil(process.nanoTime() + SimWorld.SECOND);
        }
      }
      case GATE_OPEN_WHILE_CLAIMING -> {
        if (now == FtState.CLAIMING && isPrimary) {
          gate.mode(GateMode.FREE);
        }
      }
      case CLAIM_BEFORE_REPLAY -> {
        if (now == FtState.CATCHING_UP) {
          node.post(new FtEvent.CaughtUp());
        }
      }
      case NO_FAIL_STOP -> process.neverFailsStop();
      case NOTHING,
          ACK_BEFORE_RECEIPT,
          LIVE_WITHOUT_ARBITRATION,
          OLD_EPOCH_ACCEPTED,
          STORAGE_FORGETS,
          NO_WRITE_PERMIT,
          UNKNOWN_IS_LOST,
          NO_STALL_WATCH,
          WRITES_IN_HOST_CACHE,
          STOP_ANSWERED_AT_ONCE,
          FAST_CLOCKS -> {
        // Planted elsewhere.
      }
    }
  }

  /** Exits that its guest has made: a VM makes more. */
  long exited() {
    return exited;
  }

  /** Whether its memory has rotted, which nobody may have noticed yet. */
  boolean isFaulty() {
    return faulty;
  }

  /** Whether the world must do without it: dead, faulty, or given up by its user. */
  boolean isGone() {
    // One that has ended by itself is not excused: it may have been the last one.
    return wasKilled() || faulty || given;
  }

  /** Whether its process has died, and not since its VM was over. */
  boolean wasKilled() {
    return process.isDead() && end.isEmpty();
  }

  boolean isTheVm() {
    return !process.isDead() && session.isTheVm();
  }

  /** Why it has not settled; empty if it has. */
  Optional<String> unsettled() {
    if (process.isDead()) {
      return Optional.empty();
    }
    if (!unanswered.isEmpty()) {
      return Optional.of(name + " owes an answer to " + unanswered);
    }
    return switch (session.state()) {
      case CATCHING_UP, CLAIMING, TAKING_OVER, PAIRING, RECEIVING, HANDING_OVER ->
          Optional.of(name + " is " + session.state());
      case HALTED, ENDED ->
          end.isEmpty()
              ? Optional.of(name + " is " + session.state() + " and runs on")
              : Optional.empty();
      case ALONE, PROTECTED ->
          gate.waiting() > 50
              ? Optional.of(name + " holds " + gate.waiting() + " outputs")
              : Optional.empty();
      case FOLLOWING ->
          link().flatMap(SimLink::other).map(to -> !to.isOpen()).orElse(true)
              ? Optional.of(name + " follows nobody")
              : Optional.empty();
      case WAITING -> Optional.empty();
    };
  }

  FtState state() {
    return session.state();
  }
}
