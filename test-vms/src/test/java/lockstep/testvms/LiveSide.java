package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.OutputStream;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.kvm.Kvm;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.host.DiskBridges;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.state.Bytes;
import lockstep.replay.channel.PeerNetwork;
import lockstep.replay.channel.PeerSecurity;
import lockstep.replay.ft.FtNode;
import lockstep.replay.ft.FtVm;
import lockstep.replay.ft.backup.KvmReceiver;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.GuestDisk;
import lockstep.replay.ft.output.OutputGate;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.protocol.FtTimes;
import lockstep.replay.ft.protocol.GateMode;
import lockstep.replay.ft.vcpu.VmEnd;
import lockstep.replay.record.RecordOptions;
import lockstep.sys.HostScheduler;
import lockstep.sys.Scheduler;

/** One side of a pair in this process, as the command line puts it together. */
final class LiveSide implements AutoCloseable {
  private static final int GATE_OUTPUTS = 1 << 10;
  private static final long END_SECONDS = 10;
  private static final long POLL_MILLIS = 5;
  private static final Pattern GOES_LIVE_AT = Pattern.compile("goes on at byte (\\d+)");

  private final Scheduler host = new Host();
  private final PeerNetwork network = new PeerNetwork(PeerSecurity.none());
  private final BrokenChannel channel = new BrokenChannel(network);
  private final HeldMedium medium;
  private final FtNode node;
  private final FtVm vm;
  private final Disks disk = new Disks();
  private boolean closed;

  /** Guarded by {@code shown}, both. */
  private boolean held;

  private boolean broken;
  private boolean heldWrites;

  private final StringBuilder shown = new StringBuilder();

  private final List<String> notes = new CopyOnWriteArrayList<>();

  /** As a pair has them. */
  private static final class Disks extends DiskBridges implements GuestDisk {}

  /** Where a process would end at once, this side does, with all that belongs to it. */
  private final class Host extends HostScheduler {
    @Override
    public void failStop(String line) {
      notes.add("fail-stop: " + line);
      Thread unused = Thread.ofPlatform().start(LiveSide.this::die);
    }

    @Override
    public void failStop(String thread, Throwable cause) {
      failStop(thread + ": " + cause);
    }
  }

  private final class Console extends OutputStream {
    @Override
    public void write(int value) {
      write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] from, int offset, int count) {
      synchronized (shown) {
        if (broken) {
          throw new AssertionError("planted in the console");
        }
        while (held) {
          awaitRelease();
        }
        shown.append(new String(from, offset, count, ISO_8859_1));
        shown.notifyAll();
      }
    }
  }

  private void awaitRelease() {
    heldWrites = true;
    shown.notifyAll();
    try {
      shown.wait();
    } catch (InterruptedException e) {
      held = false;
      Thread.currentThread().interrupt();
    }
  }

  /** Whether the console takes nothing. */
  void holdConsole(boolean on) {
    synchronized (shown) {
      held = on;
      shown.notifyAll();
    }
  }

  /** Waits until the guest shows something that the console does not take. */
  void awaitHeldWrite(long limitSeconds) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitSeconds);
    synchronized (shown) {
      while (!heldWrites) {
        assertTrue(System.nanoTime() < deadline, "the guest shows nothing");
        shown.wait(100);
      }
    }
  }

  /** The next byte that the guest shows is an Error here. */
  void breakConsole() {
    synchronized (shown) {
      broken = true;
    }
  }

  /** A side without a machine yet; the medium stays its owner's. */
  LiveSide(
      Kvm kvm,
      FtSession session,
      FtTimes times,
      Arbiter arbiter,
      BlockDevice medium,
      RecordOptions options) {
    this.medium = new HeldMedium(medium);
    OutputGate gate = new OutputGate(GateMode.FREE, GATE_OUTPUTS, Scheduler.HOST);
    this.node = new FtNode(host, channel, arbiter, gate, session, times);
    this.vm =
        new FtVm(
            host,
            new KvmReceiver(kvm, List.of(medium.geometry())),
            node,
            gate,
            new FtVm.Outlets(new Console(), disk, notes::add),
            options);
    disk.connect(List.of(this.medium), vm.queue()::offer, gate::writes);
    gate.onChange(disk::permitChanged);
    node.attach(vm);
  }

  PeerNetwork network() {
    return network;
  }

  /** Breaks what this side says as primary. */
  BrokenChannel channel() {
    return channel;
  }

  FtNode node() {
    return node;
  }

  FtVm vm() {
    return vm;
  }

  HeldMedium medium() {
    return medium;
  }

  /** All that the guest has shown here. */
  String console() {
    synchronized (shown) {
      return shown.toString();
    }
  }

  /** Waits until what was shown here is as wanted. */
  void await(Predicate<String> wanted, String otherwise, long limitSeconds)
      throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitSeconds);
    synchronized (shown) {
      while (!wanted.test(shown.toString())) {
        assertTrue(
            System.nanoTime() < deadline, () -> otherwise + ", shown: " + shown + ", " + notes);
        shown.wait(100);
      }
    }
  }

  void type(String text) {
    assertTrue(
        vm.queue().offer(new ExternalInput.ConsoleBytes(Bytes.copyOf(text.getBytes(ISO_8859_1)))),
        "the input queue is full");
  }

  /** Lines for the user. */
  List<String> notes() {
    return notes;
  }

  /** Waits for a line for the user that begins so. */
  void awaitNote(String beginning, long limitSeconds) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitSeconds);
    while (notes(beginning).isEmpty()) {
      assertTrue(System.nanoTime() < deadline, () -> "no '" + beginning + "': " + notes);
      Thread.sleep(POLL_MILLIS);
    }
  }

  /** Those that begin so. */
  List<String> notes(String beginning) {
    return notes.stream().filter(note -> note.startsWith(beginning)).toList();
  }

  /** At which byte of the guest's console this side has gone live. */
  int goesLiveAt() {
    return notes.stream()
        .map(GOES_LIVE_AT::matcher)
        .filter(Matcher::find)
        .map(found -> Integer.parseInt(found.group(1)))
        .findFirst()
        .orElseThrow(() -> new AssertionError("it did not go live: " + notes));
  }

  /** This side is gone from one instruction to the next, and says nothing. */
  void die() {
    close();
  }

  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    closed = true;
    holdConsole(false);
    medium.release();
    vm.halt("the test is over");
    try {
      VmEnd unused = vm.over().orTimeout(END_SECONDS, TimeUnit.SECONDS).join();
    } catch (CompletionException e) {
      notes.add("ended by " + e.getCause());
    }
    node.close();
    vm.close();
    network.close();
    disk.close();
  }
}
