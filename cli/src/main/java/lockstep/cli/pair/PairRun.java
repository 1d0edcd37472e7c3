package lockstep.cli.pair;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import lockstep.cli.common.AllClosed;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.HostPort;
import lockstep.cli.console.ConsoleHub;
import lockstep.cli.console.ConsoleTarget;
import lockstep.cli.control.ControlServer;
import lockstep.cli.disk.LeaseNotes;
import lockstep.cli.run.LocalDisk;
import lockstep.cli.run.SnapshotFile;
import lockstep.cli.run.Start;
import lockstep.cli.vm.Bandwidth;
import lockstep.cli.vm.VmControl;
import lockstep.cli.vm.VmName;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.host.DiskBridges;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.channel.PeerNetwork;
import lockstep.replay.channel.PeerSecurity;
import lockstep.replay.ft.FtNode;
import lockstep.replay.ft.FtVm;
import lockstep.replay.ft.PlannedFailover;
import lockstep.replay.ft.backup.KvmReceiver;
import lockstep.replay.ft.disk.GuestDisk;
import lockstep.replay.ft.output.OutputGate;
import lockstep.replay.ft.output.OutputWaits;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.FtStatus;
import lockstep.replay.ft.protocol.FtTimes;
import lockstep.replay.ft.protocol.GateMode;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.replay.record.RecordOptions;
import lockstep.storage.FileLease;
import lockstep.sys.Scheduler;
import lockstep.sys.StandardOutput;

/** One side of a pair in this process: puts the parts together and takes them apart again. */
final class PairRun implements ConsoleTarget, AutoCloseable {
  /** Outputs that wait for acknowledgements at most; a screen and a disk's queue many times. */
  private static final int GATE_OUTPUTS = 1 << 14;

  /** Between two looks for a VM without a backup. */
  private static final long SPARE_SECONDS = 2;

  private static final long MAX_SPARE_SECONDS = 60;
  private static final int MAX_DOUBLINGS = 5;

  /** For a planned failover to be decided once it is not given up. */
  private static final long DECISION_NANOS = TimeUnit.SECONDS.toNanos(30);

  /** How long a user who stops the VM waits for its end. */
  private static final long STOP_SECONDS = 60;

  private static final long STOP_POLL_MILLIS = 2;

  /** A snapshot is an output: how long it may wait for the backup's acknowledgement. */
  private static final long SNAPSHOT_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final PeerNetwork network;
  private final boolean anywhere;
  private final FtTimes times;
  private final FtNode node;
  private final FtVm vm;
  private final OutputWaits waits;
  private final List<BlockDevice> media;
  private final Disks disks = new Disks();
  private final ConsoleHub console = new ConsoleHub(StandardOutput.stream());
  private final Bandwidth bandwidth = new Bandwidth();
  private final PairControl commands;
  private final ControlServer control;
  private final Consumer<String> notes;
  private volatile boolean detached;
  private final long stopSeconds;
  private final CountDownLatch finished = new CountDownLatch(1);

  /** Everything is given back: sockets, files, threads. */
  private final CountDownLatch closed = new CountDownLatch(1);

  /** As the pair's machine and its planned failovers need them. */
  private static final class Disks extends DiskBridges implements GuestDisk {}

  /**
   * @param name what it is called here
   * @param heartbeatPort see {@link PeerNetwork}
   * @param anywhere whether plain TCP may leave this host
   * @param stopSeconds how long the process may take to end when it is told to
   * @param storage closed after this
   * @param notes takes lines for the user
   */
  PairRun(
      String name,
      Kvm kvm,
      PeerSecurity security,
      int heartbeatPort,
      boolean anywhere,
      long stopSeconds,
      FtSession session,
      FtTimes times,
      PairDisk storage,
      RecordOptions options,
      Consumer<String> notes)
      throws CommandFailure {
    this.media = storage.media();
    this.notes = notes;
    this.stopSeconds = stopSeconds;
    this.times = times;
    this.anywhere = anywhere || security.isTls();
    this.network = new PeerNetwork(security, heartbeatPort);
    OutputGate gate = new OutputGate(GateMode.FREE, GATE_OUTPUTS, Scheduler.HOST);
    this.waits = gate.waits();
    this.node = new FtNode(Scheduler.HOST, network, storage.arbiter(), gate, session, times);
    this.vm =
        new FtVm(
            Scheduler.HOST,
            new KvmReceiver(kvm, media.stream().map(BlockDevice::geometry).toList()),
            node,
            gate,
            new FtVm.Outlets(console, disks, notes),
            options);
    // What the gate has let out still asks it, right before it reaches the medium.
    disks.connect(media, vm.queue()::offer, gate::writes);
    gate.onChange(disks::permitChanged);
    node.attach(vm);
    for (FileLease lease : storage.leases()) {
      lease.onLoss(reason -> node.post(new FtEvent.Fenced(reason)));
      lease.watch(new LeaseNotes(lease, notes));
    }
    // Last: from here on others ask.
    Thread.ofPlatform().daemon().name("bandwidth").start(this::measure);
    this.commands = new PairControl(name, this);
    this.control = VmName.listen(name, commands);
  }

  private void measure() {
    try {
      do {
        bandwidth.sample(node.status().transfer().channelBytes(), System.nanoTime());
      } while (!finished.await(1, TimeUnit.SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public InputQueue queue() {
    return vm.queue();
  }

  @Override
  public void stop() {
    if (node.status().state() == FtState.WAITING) {
      node.post(new FtEvent.Detach());
      vm.leave("stopped while waiting for a primary");
    } else if (node.status().side() == lockstep.replay.ft.disk.Claimant.Side.BACKUP) {
      node.post(new FtEvent.Detach());
    } else {
      vm.stop();
    }
  }

  /**
   * The same for somebody who waits for it; returns when the VM has ended for both sides, or this
   * side has left a VM that continues at the primary.
   *
   * @throws IOException when it has not; one line
   */
  void stopAndWait() throws IOException {
    boolean primary = node.status().side() == lockstep.replay.ft.disk.Claimant.Side.PRIMARY;
    stop();
    try {
      long start = System.nanoTime();
      while (!vm.over().isDone()) {
        if (!primary && node.status().state().isTheVm()) {
          throw new IOException("this side has taken over, the VM runs here; stop it again");
        }
        if (System.nanoTime() - start > TimeUnit.SECONDS.toNanos(STOP_SECONDS)) {
          throw new IOException(
              "the VM has not ended after %d s; it will when the other side or the disk answers"
                  .formatted(STOP_SECONDS));
        }
        Thread.sleep(STOP_POLL_MILLIS);
      }
      VmEnd end = vm.over().get();
      if (end instanceof VmEnd.Halted halted) {
        throw new IOException("the VM was not stopped, this side has halted: " + halted.reason());
      }
    } catch (ExecutionException e) {
      throw new IOException("the VM has failed: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("this process ends", e);
    }
  }

  @Override
  public void snapshot() {
    System.err.print("lockstep: lockstep snapshot NAME FILE writes one\r\n");
  }

  /** Writes a snapshot, while which the guest stands. Any thread; returns when it is written. */
  void snapshot(SnapshotFile file) throws IOException, CommandFailure, InterruptedException {
    AtomicReference<OutputGate.Point> at = new AtomicReference<>();
    file.write(
        work ->
            vm.inspect(
                (machine, inputs) -> {
                  Optional<RunResult> ended = work.run(machine, inputs);
                  at.set(vm.point());
                  return ended;
                }),
        () -> whyNotKept(Objects.requireNonNull(at.get())));
  }

  /** Nobody may have a state of the guest that a failover could still undo. */
  private Optional<String> whyNotKept(OutputGate.Point at) throws InterruptedException {
    return vm.awaitKept(at, SNAPSHOT_NANOS)
        ? Optional.empty()
        : Optional.of(
            "the backup has not acknowledged the VM's state, and this side is "
                + node.status().state());
  }

  @Override
  public void endBySignal(Runnable unblock) {
    try {
      new PairSignal(node, vm, this::stop, notes).end(closed, stopSeconds);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Runs a VM as primary, to its end here. */
  VmEnd primary(Start start, Kvm kvm, Optional<InetSocketAddress> backup) throws Exception {
    MachineOrigin origin = LocalDisk.origin(media, start, kvm.supportedCpuid());
    // With or without a backup: no other VM may have the disk.
    hold();
    vm.start(
        doors -> {
          Machine machine = Machine.create(kvm, origin, doors, doors);
          try {
            start.into(machine);
            return machine;
          } catch (Exception e) {
            machine.close();
            throw e;
          }
        },
        start.clockNanos(),
        backup.isPresent());
    if (backup.isPresent()) {
      try {
        node.protect(backup.get());
      } catch (IOException e) {
        vm.halt("not protected");
        node.leave();
        throw CommandFailure.of("backup: ", e, PairControl.START_BACKUP);
      }
    }
    return end();
  }

  private void hold() throws CommandFailure, InterruptedException {
    try {
      node.hold();
    } catch (IOException e) {
      throw new CommandFailure(
          String.valueOf(e.getMessage()), "lockstep disk info shows who has it", e);
    }
  }

  /** Listens for a primary. */
  InetSocketAddress listen(InetSocketAddress at) throws CommandFailure {
    try {
      return network.listen(at, node::accept, node::turnedAway);
    } catch (IOException e) {
      throw new CommandFailure(
          String.valueOf(e.getMessage()), "give an address of this host and a free port", e);
    }
  }

  /** Follows primaries until the VM has ended here, or elsewhere in order. */
  VmEnd backup() throws Exception {
    return end();
  }

  private VmEnd end() throws Exception {
    try {
      VmEnd end = vm.over().get();
      // A VM that was never protected has the disk to itself, whatever became of it.
      if (end instanceof VmEnd.Guest || node.status().state() == FtState.ALONE) {
        settleDisk();
        leave();
      }
      return end;
    } catch (ExecutionException e) {
      throw e.getCause() instanceof Exception cause ? cause : e;
    } finally {
      finished.countDown();
    }
  }

  /** What the guest came to stays its result when the disk cannot be given up. */
  private void leave() {
    try {
      node.leave();
    } catch (IOException e) {
      notes.accept(
          "the disk was not given up, and counts as in use for some seconds: " + e.getMessage());
    }
  }

  /** The guest is over: nothing of it may reach the disk once that is given up. */
  private void settleDisk() throws IOException {
    disks.close();
    AllClosed.close(media.stream().<AllClosed.Part>map(one -> one::close).toList());
  }

  /**
   * Whenever the VM runs here without a backup, asks these in turn to be one.
   *
   * @param fromStart also a VM that never had one
   */
  void spares(List<InetSocketAddress> spares, boolean fromStart) {
    if (!spares.isEmpty()) {
      int had = fromStart ? 0 : 1;
      Thread.ofPlatform().daemon().name("spares").start(() -> protectWith(spares, had));
    }
  }

  private void protectWith(List<InetSocketAddress> spares, int leastEpoch) {
    try {
      int next = 0;
      int inVain = 0;
      Map<InetSocketAddress, String> said = new HashMap<>();
      while (!finished.await(spareSeconds(inVain / spares.size()), TimeUnit.SECONDS)) {
        FtStatus now = node.status();
        if (now.state() == FtState.PROTECTED) {
          inVain = 0;
        }
        if (now.state() != FtState.ALONE || now.epoch() < leastEpoch || detached) {
          continue;
        }
        InetSocketAddress spare = spares.get(next++ % spares.size());
        inVain++;
        try {
          node.protect(spare);
          said.remove(spare);
        } catch (IOException e) {
          String why = String.valueOf(e.getMessage());
          if (!why.equals(said.put(spare, why))) {
            notes.accept("no backup, asking on: " + why);
          }
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** When none of all has become a backup, they are asked less and less often. */
  private static long spareSeconds(int roundsInVain) {
    return Math.min(MAX_SPARE_SECONDS, SPARE_SECONDS << Math.min(roundsInVain, MAX_DOUBLINGS));
  }

  /** Gives the VM a backup while it runs. */
  void protect(InetSocketAddress with) throws IOException, InterruptedException {
    if (!anywhere && !with.isUnresolved() && !with.getAddress().isLoopbackAddress()) {
      throw new IOException(
          HostPort.show(with)
              + " is not on the loopback interface, and this VM was started without --identity;"
              + " name a backup on this host, or start it with one");
    }
    node.protect(with);
    detached = false;
  }

  /** Does without the other side, and without spares until it is given a backup again. */
  void detach() {
    detached = true;
    node.post(new FtEvent.Detach());
  }

  /**
   * Lets the backup go on instead; returns when it does.
   *
   * @param limitNanos how long the last outputs and disk requests may take
   * @throws IOException when the VM was not handed over, or nobody knows yet; one line
   */
  void handOver(long limitNanos) throws IOException, InterruptedException {
    CompletableFuture<PlannedFailover.Outcome> asked = vm.handOver(limitNanos);
    PlannedFailover.Outcome outcome;
    try {
      outcome = asked.get(limitNanos + DECISION_NANOS + times.silenceNanos(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      boolean unused = asked.cancel(false);
      throw new IOException(
          "nobody knows yet which side goes on; lockstep status and the VM's own lines show it", e);
    } catch (ExecutionException e) {
      throw new IOException(String.valueOf(e.getCause()), e);
    }
    if (outcome instanceof PlannedFailover.Outcome.NotDone not) {
      throw new IOException("not handed over: " + not.reason());
    }
  }

  /** What users may ask of it. */
  VmControl commands() {
    return commands;
  }

  /** How much goes over the logging channel. */
  Bandwidth bandwidth() {
    return bandwidth;
  }

  /** The guest's console. */
  ConsoleHub console() {
    return console;
  }

  /** How things stand. */
  FtNode node() {
    return node;
  }

  /** How long outputs waited for the backup. */
  OutputWaits waits() {
    return waits;
  }

  /** The machine. */
  FtVm vm() {
    return vm;
  }

  @Override
  public void close() throws IOException {
    try {
      closeAll();
    } finally {
      closed.countDown();
    }
  }

  private void closeAll() throws IOException {
    finished.countDown();
    console.finish();
    control.close();
    node.close();
    vm.close();
    network.close();
    disks.close();
  }
}
