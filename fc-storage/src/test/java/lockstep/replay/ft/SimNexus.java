package lockstep.replay.ft;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.state.Bytes;
import lockstep.storage.scsi.BlockCommands;
import lockstep.storage.scsi.ScsiReply;
import lockstep.storage.scsi.ScsiTransport;
import lockstep.storage.scsi.Sense;
import lockstep.storage.scsi.Standing;
import lockstep.testing.ModelUnit;
import org.jspecify.annotations.Nullable;

/**
 * One process's way to the unit of a world. In place of an iSCSI session it does what that does at
 * its heart, on a thread of the process: it connects again, asks the arbiter what may be sent,
 * resets the unit if the disk is this process's, and sends once more what was not answered.
 */
final class SimNexus implements ScsiTransport, BlockDevice {
  private static final long MS = SimWorld.MS;
  private static final int DEPTH = 32;

  /** A connection without an answer for so long is given up. */
  private static final long ANSWER_NANOS = SimWorld.SECOND;

  private static final long HELD_NANOS = 20 * MS;
  private static final long FIRST_RETRY_NANOS = 10 * MS;
  private static final long RETRY_NANOS = SimWorld.SECOND;
  private static final ScsiReply ABORTED =
      new ScsiReply(ScsiReply.TASK_ABORTED, Sense.NONE, Bytes.empty());
  private static final ScsiReply CONFLICT =
      new ScsiReply(ScsiReply.RESERVATION_CONFLICT, Sense.NONE, Bytes.empty());
  private static final ScsiReply GOOD = new ScsiReply(ScsiReply.GOOD, Sense.NONE, Bytes.empty());

  /** What a connection begins with. */
  interface Greeting {
    Standing greet(ScsiTransport nexus) throws IOException;
  }

  /** Something asked of the unit; done once, with an answer or without. */
  private final class Command {
    private final Bytes cdb;
    private final Bytes out;

    /** LOGICAL UNIT RESET. */
    private final boolean reset;

    /** A disk's: sent again until it is answered. */
    private final Optional<Consumer<ScsiReply>> request;

    private Optional<ScsiReply> reply = Optional.empty();
    private boolean lost;
    private boolean arrived;
    private long sentNanos;
    private ModelUnit.@Nullable Late onItsWay;
    private final Thread asker = Thread.currentThread();

    Command(Bytes cdb, Bytes out, boolean reset, Optional<Consumer<ScsiReply>> request) {
      this.cdb = cdb;
      this.out = out;
      this.reset = reset;
      this.request = request;
    }

    boolean isOver() {
      return lost || reply.isPresent();
    }

    void replied(ScsiReply with) {
      if (!isOver()) {
        reply = Optional.of(with);
        request.ifPresent(take -> take.accept(with));
        LockSupport.unpark(asker);
      }
    }

    void lose() {
      lost = true;
      LockSupport.unpark(asker);
    }

    /** Waits for the answer. */
    ScsiReply await(long nanos) throws IOException {
      long until = process.nanoTime() + nanos;
      while (!isOver() && process.nanoTime() - until < 0) {
        process.park(this, until - process.nanoTime());
        if (Thread.currentThread().isInterrupted()) {
          lost = true;
          throw new InterruptedIOException("interrupted");
        }
      }
      lost = reply.isEmpty();
      return reply.orElseThrow(() -> new IOException(name() + " gives no answer"));
    }
  }

  /** What came back, and over which connection. */
  private record Answer(ModelUnit.Connection from, Command to, ScsiReply reply) {}

  private final SimSide side;
  private final SimUnit storage;
  private final SimProcess process;
  private final SimWorld world;
  private final Greeting greeting;
  private final Thread loop;
  private final ArrayDeque<Command> ready = new ArrayDeque<>();
  private final List<Command> flying = new ArrayList<>();
  private final ArrayDeque<Answer> answers = new ArrayDeque<>();
  private WritePermit permit = WritePermit.ALWAYS;
  private ModelUnit.@Nullable Connection connection;
  private Standing standing = Standing.HOLDS;
  private boolean held;
  private boolean doubted;
  private boolean unsettled;
  private long greetNanos;
  private long attemptNanos;
  private long retryNanos = FIRST_RETRY_NANOS;

  SimNexus(
      SimSide side, SimUnit storage, java.util.function.Function<SimNexus, Greeting> greeting) {
    this.side = side;
    this.storage = storage;
    this.process = side.process;
    this.world = side.world;
    this.attemptNanos = process.nanoTime();
    this.greeting = greeting.apply(this);
    this.loop = process.thread("iscsi", true, this::run);
    loop.start();
  }

  /** Has the greeting asked again before any request of the disk is sent. */
  void doubt() {
    doubted = true;
    LockSupport.unpark(loop);
  }

  /** Whether the disk's requests go now. */
  boolean isWell() {
    ModelUnit.Connection now = connection;
    return now != null && now.isUp() && !held && storage.isReached(side);
  }

  private void run() {
    while (true) {
      turn();
      process.park(this, held || !flying.isEmpty() ? 5 * MS : 50 * MS);
    }
  }

  private void turn() {
    process.point();
    if (doubted) {
      doubted = false;
      hold(0);
    }
    ModelUnit.Connection now = connection;
    if (now == null || !now.isUp()) {
      drop();
      connect();
      return;
    }
    collect(now);
    boolean silent =
        flying.stream().anyMatch(one -> process.nanoTime() - one.sentNanos > ANSWER_NANOS);
    if (silent) {
      now.close();
      return;
    }
    try {
      boolean due = held && process.nanoTime() - greetNanos >= 0;
      if (due && flying.isEmpty() && (standing != Standing.LOST || hasRequests())) {
        greet(now);
      }
      sendReady(now);
    } catch (IOException e) {
      now.close();
    }
  }

  private boolean hasRequests() {
    return ready.stream().anyMatch(one -> one.request.isPresent());
  }

  private void connect() {
    if (attemptNanos - process.nanoTime() > 0) {
      return;
    }
    try {
      process.sleep(storage.latency());
      if (!storage.isReached(side)) {
        throw new IOException("no answer to a login");
      }
      ModelUnit.Connection fresh = storage.connect(side);
      greet(fresh);
      connection = fresh;
      retryNanos = FIRST_RETRY_NANOS;
      LockSupport.unpark(loop);
    } catch (IOException | InterruptedException e) {
      attemptNanos = process.nanoTime() + retryNanos;
      retryNanos = Math.min(2 * retryNanos, RETRY_NANOS);
    }
  }

  private void drop() {
    ModelUnit.Connection last = connection;
    if (last == null) {
      return;
    }
    connection = null;
    answers.clear();
    attemptNanos = process.nanoTime();
    unsettled |= !flying.isEmpty();
    for (Command one : flying.reversed()) {
      if (one.request.isPresent()) {
        ready.addFirst(one);
      } else {
        one.lose();
      }
    }
    flying.clear();
  }

  private void greet(ModelUnit.Connection on) throws IOException {
    Alone alone = new Alone(on);
    Standing found = greeting.greet(alone);
    if (found == Standing.HOLDS && unsettled) {
      alone.resetUnit(0);
      found = greeting.greet(alone);
    }
    standing = found;
    switch (found) {
      case HOLDS -> {
        unsettled = false;
        held = false;
      }
      case FOLLOWS -> held = false;
      case WAITS -> hold(HELD_NANOS);
      case LOST -> {
        ready.forEach(one -> one.request.ifPresent(_ -> one.replied(CONFLICT)));
        ready.removeIf(Command::isOver);
        hold(HELD_NANOS);
      }
    }
  }

  private void hold(long nanos) {
    held = true;
    greetNanos = process.nanoTime() + nanos;
    if (nanos == 0 && standing == Standing.LOST) {
      standing = Standing.WAITS;
    }
  }

  private void sendReady(ModelUnit.Connection to) {
    ready.removeIf(Command::isOver);
    List<Command> now =
        ready.stream().filter(one -> !held || one.request.isEmpty()).limit(DEPTH).toList();
    for (Command one : now) {
      ready.remove(one);
      flying.add(one);
      one.sentNanos = process.nanoTime();
      transmit(one, to);
    }
  }

  private void collect(ModelUnit.Connection now) {
    for (Answer one = answers.poll(); one != null; one = answers.poll()) {
      if (one.from() == now && flying.remove(one.to())) {
        answered(one.to(), one.reply());
        if (one.to().reset) {
          // Its own commands come to an end with the reset; those of others get no answer.
          List<Command> ended = flying.stream().filter(SimNexus::isEnded).toList();
          flying.removeAll(ended);
          ended.forEach(each -> answered(each, ABORTED));
        }
      }
    }
  }

  private static boolean isEnded(Command one) {
    ModelUnit.Late way = one.onItsWay;
    return !one.arrived && way != null && !way.isOnItsWay();
  }

  private void answered(Command one, ScsiReply reply) {
    if (reply.attention() && reply.sense().reservationsInDoubt()) {
      hold(0);
    }
    boolean again = reply.temporary();
    if (reply.conflict() && standing == Standing.HOLDS) {
      // Another host claims the disk, or has it: the greeting finds out.
      hold(0);
      again = true;
    }
    if (again && one.request.isPresent()) {
      one.arrived = false;
      ready.addFirst(one);
      LockSupport.unpark(loop);
    } else {
      one.replied(reply);
    }
  }

  // The wire.

  private void transmit(Command one, ModelUnit.Connection on) {
    one.arrived = false;
    ModelUnit.Late way = on.send(one.cdb, one.out);
    one.onItsWay = way;
    long latency = storage.latency();
    switch (storage.fate()) {
      case WELL -> world.after(latency, () -> arrives(one, way, on, false));
      case ANSWER_LOST -> world.after(latency, () -> arrives(one, way, on, true));
      case LATE -> {
        on.close();
        if (!one.reset) {
          world.after(
              world.between(0, 2 * SimWorld.SECOND),
              () -> {
                var unused = way.arrive();
                storage.look();
              });
        }
      }
    }
  }

  private void arrives(Command one, ModelUnit.Late way, ModelUnit.Connection on, boolean cut) {
    if (!storage.isReached(side)) {
      // The host's kernel sends it again, as long as it has the connection.
      if (!process.isDead() && on.isUp()) {
        world.after(10 * MS, () -> arrives(one, way, on, cut));
      }
      return;
    }
    Optional<ScsiReply> reply = one.reset ? reset(on) : way.arrive();
    one.arrived |= reply.isPresent();
    storage.look();
    if (cut) {
      on.close();
    }
    reply.ifPresent(
        what -> world.after(storage.latency(), () -> comesBack(new Answer(on, one, what))));
  }

  private Optional<ScsiReply> reset(ModelUnit.Connection on) {
    if (storage.plant == SimUnit.Plant.NO_RESET) {
      return Optional.of(GOOD);
    }
    try {
      on.reset();
      return Optional.of(GOOD);
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private void comesBack(Answer answer) {
    if (!answer.from().isUp() || process.isDead()) {
      return;
    }
    if (!storage.isReached(side)) {
      world.after(10 * MS, () -> comesBack(answer));
      return;
    }
    answers.add(answer);
    LockSupport.unpark(loop);
  }

  // What arbiters ask.

  @Override
  public ScsiReply execute(Bytes cdb, Bytes dataOut, int dataInBytes, int timeoutMillis)
      throws IOException {
    return ask(cdb, dataOut, false, timeoutMillis);
  }

  @Override
  public void resetUnit(int timeoutMillis) throws IOException {
    ScsiReply unused = ask(Bytes.empty(), Bytes.empty(), true, timeoutMillis);
  }

  private ScsiReply ask(Bytes cdb, Bytes out, boolean reset, int millis) throws IOException {
    Command one = new Command(cdb, out, reset, Optional.empty());
    ready.add(one);
    LockSupport.unpark(loop);
    return one.await(millis * MS);
  }

  @Override
  public String name() {
    return side.name;
  }

  /** A connection with nothing else on it; on the loop thread. */
  private final class Alone implements ScsiTransport {
    private final ModelUnit.Connection on;

    Alone(ModelUnit.Connection on) {
      this.on = on;
    }

    private ScsiReply ask(Bytes cdb, Bytes out, boolean reset) throws IOException {
      Command one = new Command(cdb, out, reset, Optional.empty());
      if (!on.isUp()) {
        throw new IOException("connection lost");
      }
      transmit(one, on);
      long until = process.nanoTime() + ANSWER_NANOS;
      while (on.isUp() && process.nanoTime() - until < 0) {
        process.park(this, 5 * MS);
        for (Answer each = answers.poll(); each != null; each = answers.poll()) {
          if (each.to() == one) {
            return each.reply();
          }
        }
      }
      on.close();
      throw new IOException("connection lost");
    }

    @Override
    public ScsiReply execute(Bytes cdb, Bytes dataOut, int dataInBytes, int timeoutMillis)
        throws IOException {
      return ask(cdb, dataOut, false);
    }

    @Override
    public void resetUnit(int timeoutMillis) throws IOException {
      ScsiReply unused = ask(Bytes.empty(), Bytes.empty(), true);
    }

    @Override
    public String name() {
      return side.name;
    }
  }

  // The disk.

  @Override
  public Geometry geometry() {
    return new Geometry(
        (long) SimMemory.BLOCKS * SimMemory.BLOCK_BYTES, SimMemory.BLOCK_BYTES, false, false);
  }

  @Override
  public int depth() {
    return DEPTH;
  }

  @Override
  public void permit(WritePermit now) {
    permit = now;
  }

  @Override
  public void submit(BlockRequest request, Consumer<BlockResult> completion) {
    if (request.changes() && permit.now() != WritePermit.Answer.START) {
      world.after(0, () -> side.completed(new BlockResult.NotStarted(request.id()), completion));
      return;
    }
    int block = SimMemory.blockOf(request);
    Bytes cdb =
        switch (request) {
          case BlockRequest.Read _ -> BlockCommands.transfer(false, false, block, 1);
          case BlockRequest.Write _ -> BlockCommands.transfer(true, false, block, 1);
          case BlockRequest.Flush _ -> BlockCommands.synchronizeCache();
          case BlockRequest.Discard _ -> throw new IllegalArgumentException("no discards here");
        };
    Bytes out = request instanceof BlockRequest.Write write ? write.data() : Bytes.empty();
    ready.add(
        new Command(
            cdb,
            out,
            false,
            Optional.of(reply -> side.completed(result(request, reply), completion))));
    LockSupport.unpark(loop);
  }

  private BlockResult result(BlockRequest request, ScsiReply reply) {
    if (reply.conflict()) {
      return new BlockResult.Fenced(request.id(), name() + " is reserved for another host");
    }
    // A unit without a cache need not know how to flush it.
    if (!reply.good() && !(request instanceof BlockRequest.Flush)) {
      return new BlockResult.Failed(request.id(), reply.text());
    }
    boolean fresh = request instanceof BlockRequest.Read && reply.data().size() == 0;
    return new BlockResult.Done(request.id(), fresh ? SimMemory.contentOf(0, 0) : reply.data());
  }

  @Override
  public void dropCache() {
    // Nothing is kept of it.
  }

  @Override
  public void close() {
    // Its process ends soon.
  }
}
