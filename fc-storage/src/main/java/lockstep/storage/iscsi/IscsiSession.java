package lockstep.storage.iscsi;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import lockstep.monitor.state.Bytes;
import lockstep.storage.ffi.IscsiContext;
import lockstep.storage.ffi.SocketWait;
import lockstep.storage.scsi.ScsiReply;
import lockstep.storage.scsi.ScsiTransport;
import lockstep.storage.scsi.Sense;
import lockstep.storage.scsi.Standing;
import lockstep.sys.Scheduler;
import lockstep.sys.SysException;
import lockstep.uapi.posix_h;
import org.jspecify.annotations.Nullable;

/**
 * One initiator's way to one logical unit, kept up through every loss of the connection: the
 * initiator's name and ISID stay, so that the unit sees the same nexus, and what has not been
 * answered is sent again, in the order in which it was first sent. Before that the unit is reset,
 * so that nothing of the former connection is carried out afterwards. All that only if the disk is
 * this host's, as the {@link Greeting} says: otherwise a disk's requests wait, or are refused.
 *
 * <p>A request that may not reach the disk any more is not sent, whatever it has waited for here:
 * that is asked right before each time it is sent. What the connection has of it and the kernel has
 * not goes with the connection.
 */
public final class IscsiSession implements ScsiTransport, AutoCloseable {
  /** Commands in flight: a disk's {@link IscsiDisk#DEPTH} and a few of an arbiter. */
  private static final int SLOTS = IscsiDisk.DEPTH + 4;

  /** A unit tells one thing after the other; SPC-4 names fewer that can be pending at once. */
  private static final int MAX_ATTENTIONS = 16;

  /** A reset ends what is in flight without an answer of the target. */
  private static final ScsiReply ABORTED =
      new ScsiReply(ScsiReply.TASK_ABORTED, Sense.NONE, Bytes.empty());

  private static final Greeting NO_GREETING = _ -> Standing.HOLDS;

  private static final int CLOSE_MILLIS = 10_000;
  private static final int BUSY_MILLIS = 10;
  private static final int SCAN_MILLIS = 100;
  private static final int IDLE_MILLIS = 1_000;

  private final IscsiAddress address;
  private final IscsiTimes times;
  private final SocketWait wait;
  private final Scheduler host;
  private final Thread loop;
  private final ConcurrentLinkedQueue<ScsiCommand> incoming = new ConcurrentLinkedQueue<>();
  private final AtomicBoolean rung = new AtomicBoolean();
  private final Outcome<Boolean> first = new Outcome<>();
  private volatile Greeting greeting = NO_GREETING;
  private volatile boolean doubted;
  private volatile boolean closing;
  private volatile boolean ended;
  private final AtomicLong logins = new AtomicLong();

  // All of this belongs to the loop thread.
  private final IscsiNexus nexus;
  private final SentCommands sent = new SentCommands(SLOTS);
  private final WaitingCommands ready = new WaitingCommands();
  private @Nullable IscsiContext context;
  private @Nullable ScsiCommand reset;

  /** The connection has something of a disk's request that the kernel has not. */
  private boolean unsent;

  private boolean unsettled;
  private final RequestHold hold = new RequestHold();
  private String problem = "not connected yet";
  private final LoginPause pause;
  private long pausedUntilNanos = System.nanoTime();
  private long scanNanos = pausedUntilNanos;
  private long closeNanos = Long.MAX_VALUE;

  private IscsiSession(IscsiAddress address, IscsiTimes times, Scheduler host) throws IOException {
    this.host = host;
    this.address = address;
    this.times = times;
    this.pause = new LoginPause(times.retryMillis());
    try {
      this.wait = new SocketWait();
    } catch (SysException e) {
      throw new IOException(e.getMessage(), e);
    }
    try {
      this.nexus = new IscsiNexus(address, times, wait, SLOTS);
    } catch (IOException e) {
      wait.close();
      throw e;
    }
    this.loop = Thread.ofPlatform().daemon().name("iscsi-" + address.host()).unstarted(this::run);
  }

  /**
   * Logs in.
   *
   * @throws IOException when that fails; one line
   */
  public static IscsiSession open(IscsiAddress address, IscsiTimes times) throws IOException {
    return open(address, times, Scheduler.HOST);
  }

  /**
   * @param host ends the process when the session's thread fails
   */
  static IscsiSession open(IscsiAddress address, IscsiTimes times, Scheduler host)
      throws IOException {
    IscsiSession session = new IscsiSession(address, times, host);
    session.loop.start();
    try {
      boolean unused = session.first.await(times.loginMillis() + CLOSE_MILLIS, address.toString());
      return session;
    } catch (IOException e) {
      session.close();
      throw e;
    }
  }

  @Override
  public String name() {
    return address.toString();
  }

  /** How often it has logged in. */
  public long logins() {
    return logins.get();
  }

  /** Sets what every later connection begins with. */
  public void greeting(Greeting what) {
    greeting = what;
  }

  /** Has the greeting asked again before any request of the disk is sent. Any thread. */
  public void doubt() {
    doubted = true;
    if (!ended && !rung.getAndSet(true)) {
      wait.wake();
    }
  }

  @Override
  public ScsiReply execute(Bytes cdb, Bytes dataOut, int dataInBytes, int timeoutMillis)
      throws IOException {
    return carryOut(cdb, dataOut, dataInBytes, timeoutMillis);
  }

  @Override
  public void resetUnit(int timeoutMillis) throws IOException {
    carryOut(ScsiCommand.RESET, Bytes.empty(), 0, timeoutMillis);
  }

  private ScsiReply carryOut(Bytes cdb, Bytes out, int inBytes, int timeoutMillis)
      throws IOException {
    ScsiCommand.Awaited reply = new ScsiCommand.Awaited();
    long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
    submit(new ScsiCommand(cdb, out, inBytes, false, deadline, reply));
    return reply.outcome.await(timeoutMillis + times.loginMillis() + CLOSE_MILLIS, name());
  }

  /** Hands over a command; its answer comes on the loop thread. */
  void submit(ScsiCommand command) {
    incoming.add(command);
    if (ended) {
      // The loop may have looked for the last time.
      refuseIncoming();
    } else if (Thread.currentThread() != loop && !rung.getAndSet(true)) {
      // The loop itself looks at what has come in before it waits.
      wait.wake();
    }
  }

  private void refuseIncoming() {
    for (ScsiCommand one = incoming.poll(); one != null; one = incoming.poll()) {
      one.lost(new IOException(name() + " is closed"));
    }
  }

  private void run() {
    try {
      while (turn()) {
        // All of it is done there.
      }
    } catch (RuntimeException | Error e) {
      // First of all: to a guest that lives on elsewhere its disk has not failed.
      host.failStop(loop.getName(), e);
      problem = "the session's thread failed: " + e;
      throw e;
    } finally {
      end();
    }
  }

  /** A method, because the JVM is late to compile a loop that is entered once. */
  private boolean turn() {
    rung.set(false);
    for (ScsiCommand one = incoming.poll(); one != null; one = incoming.poll()) {
      ready.add(one);
    }
    if (doubted) {
      doubted = false;
      hold.doubt();
    }
    if (closing && done()) {
      return false;
    }
    if (context == null) {
      connectOrWait();
    } else {
      exchange(context);
    }
    scan();
    return true;
  }

  private boolean done() {
    if (closeNanos == Long.MAX_VALUE) {
      closeNanos = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(CLOSE_MILLIS);
    }
    return (ready.isEmpty() && sent.isEmpty() && reset == null)
        || !first.hasSucceeded()
        || System.nanoTime() > closeNanos;
  }

  private void end() {
    IscsiContext last = context;
    if (last != null) {
      try {
        if (sent.isEmpty()) {
          nexus.logout(last);
        }
      } catch (IOException e) {
        // It is cut now.
      }
    }
    drop("closed");
    ended = true;
    ready.lose(name() + ": " + problem);
    refuseIncoming();
    first.fail(new IOException(name() + ": " + problem));
    nexus.close();
    wait.close();
  }

  private void exchange(IscsiContext now) {
    try {
      greetAgain(now);
      sendReady(now);
      // What fits into the socket's buffer goes at once, without asking poll.
      if ((now.events() & posix_h.POLLOUT) != 0) {
        serve(now, posix_h.POLLOUT);
      }
      collect(now);
      serve(now, wait.await(now.fd(), now.events(), pollMillis()));
      collect(now);
    } catch (IOException e) {
      drop(String.valueOf(e.getMessage()));
    }
  }

  /** Sends and takes in what can be. What libiscsi has once it gives back to nobody. */
  private void serve(IscsiContext now, int found) throws IOException {
    if (unsent && !sent.mayBeSent()) {
      throw new IOException("a partly sent request may not reach the disk now");
    }
    boolean stands = now.service(found);
    unsent = !sent.isEmpty() && now.hasUnsent();
    if (!stands) {
      throw new IOException(now.error());
    }
  }

  private int pollMillis() {
    if (!incoming.isEmpty()) {
      return 0;
    }
    if (!ready.isEmpty() && !sent.isFull()) {
      return hold.isHeld() ? RequestHold.HELD_MILLIS : BUSY_MILLIS;
    }
    return !sent.isEmpty() || hold.isHeld() || reset != null ? SCAN_MILLIS : IDLE_MILLIS;
  }

  private void sendReady(IscsiContext to) throws IOException {
    if (reset != null || System.nanoTime() < pausedUntilNanos) {
      return;
    }
    while (!sent.isFull() && reset == null) {
      ScsiCommand command = ready.next(hold.isHeld());
      if (command == null) {
        return;
      }
      if (!command.maySend()) {
        command.notSent();
        continue;
      }
      command.sentNanos = System.nanoTime();
      if (command.cdb.equals(ScsiCommand.RESET)) {
        reset = command;
        to.resetUnit(address.lun());
        return;
      }
      // An arbiter's command says nothing of requests that were wholly sent before it.
      unsent |= command.patient;
      nexus.send(to, sent.add(command), command);
    }
  }

  private void collect(IscsiContext from) throws IOException {
    List<ScsiCommand> again = List.of();
    for (IscsiContext.Ended one = from.next(); one != null; one = from.next()) {
      if (one.slot() == IscsiContext.RESET) {
        resetEnded(one.status());
      } else if (one.slot() >= 0) {
        ScsiCommand command = sent.at(one.slot());
        if (one.status() > 0xff && reset == null) {
          throw new IOException(from.error());
        }
        ScsiReply reply = one.status() > 0xff ? ABORTED : nexus.reply(command, one);
        sent.free(one.slot());
        if (reply.attention() && reply.sense().reservationsInDoubt()) {
          hold.doubt();
        }
        if (command.patient && mayRepeat(command, reply)) {
          again = again.isEmpty() ? new ArrayList<>() : again;
          again.add(command);
        } else {
          command.replied(reply);
        }
      }
    }
    if (!again.isEmpty()) {
      ready.addAgain(again);
    }
  }

  private void resetEnded(int response) throws IOException {
    ScsiCommand command = reset;
    reset = null;
    if (command == null) {
      return;
    }
    if (response > 0xff) {
      throw new IOException("no answer to a reset");
    }
    if (response == 0) {
      command.replied(new ScsiReply(ScsiReply.GOOD, Sense.NONE, Bytes.empty()));
    } else {
      command.lost(
          new IOException(name() + " refuses to reset the unit (response %d)".formatted(response)));
    }
  }

  private boolean mayRepeat(ScsiCommand command, ScsiReply reply) {
    if (reply.conflict() && hold.standing() == Standing.HOLDS && greeting != NO_GREETING) {
      // Another host claims the disk, or has it: the greeting finds out.
      hold.doubt();
      return ++command.attentions <= MAX_ATTENTIONS;
    }
    if (!reply.temporary()) {
      return false;
    }
    if (!reply.attention()) {
      pausedUntilNanos = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(BUSY_MILLIS);
      return true;
    }
    return ++command.attentions <= MAX_ATTENTIONS;
  }

  /** The connection is of no use any more. */
  private void drop(String why) {
    IscsiContext last = context;
    context = null;
    problem = why;
    if (last != null) {
      last.close();
      pause.over();
    }
    List<ScsiCommand> again = new ArrayList<>();
    unsent = false;
    for (ScsiCommand command : sent.takeAll()) {
      unsettled = true;
      if (command.patient) {
        again.add(command);
      } else {
        command.lost(new IOException(name() + ": connection lost: " + why));
      }
    }
    if (reset != null) {
      reset.lost(new IOException(name() + ": connection lost: " + why));
      reset = null;
    }
    ready.addAgain(again);
  }

  private void connectOrWait() {
    long left = pause.leftNanos();
    if (left > 0) {
      wait.await(-1, 0, (int) Math.min(SCAN_MILLIS, 1 + TimeUnit.NANOSECONDS.toMillis(left)));
      return;
    }
    try {
      IscsiContext fresh = nexus.connect();
      try {
        greeted(nexus.greet(fresh, greeting, unsettled));
      } catch (IOException e) {
        fresh.close();
        throw e;
      }
      context = fresh;
      logins.incrementAndGet();
      first.succeed(true);
    } catch (IOException e) {
      problem = String.valueOf(e.getMessage());
      first.fail(new IOException(name() + ": " + problem, e));
      pause.failed();
    }
  }

  /** Asks whose the disk is, over a connection that is used, when it has nothing on its way. */
  private void greetAgain(IscsiContext now) throws IOException {
    // A disk that is lost is asked for when there is a request: this host may have a part again.
    if (hold.isDue()
        && sent.isEmpty()
        && reset == null
        && (hold.standing() != Standing.LOST || ready.hasRequests())) {
      greeted(nexus.greet(now, greeting, unsettled));
    }
  }

  private void greeted(Standing found) {
    hold.greeted(found);
    unsettled &= found != Standing.HOLDS;
    if (found == Standing.LOST) {
      ready.refuseRequests();
    }
  }

  /** Ends what waits for too long, and a connection that has gone silent. */
  private void scan() {
    long now = System.nanoTime();
    if (now < scanNanos) {
      return;
    }
    scanNanos = now + TimeUnit.MILLISECONDS.toNanos(SCAN_MILLIS);
    if (hold.isHeld() && context != null) {
      // The target is there: what has to wait for others does not fail.
      ready.extendRequests(now + times.requestNanos());
    }
    ready.expire(now, "%s: no answer in time: %s".formatted(name(), problem));
    boolean silent = false;
    for (ScsiCommand one : sent.all()) {
      silent |= expire(one, now);
    }
    if (reset != null) {
      silent |= expire(reset, now);
    }
    if (silent) {
      drop("no answer for " + times.answerMillis() + " ms");
    }
  }

  /** Whether the connection has been silent about it for too long. */
  private boolean expire(ScsiCommand one, long now) {
    if (now > one.deadlineNanos) {
      one.lost(new IOException("%s: no answer in time: %s".formatted(name(), problem)));
    }
    return one.sentNanos != 0
        && now - one.sentNanos > TimeUnit.MILLISECONDS.toNanos(times.answerMillis());
  }

  /** The end of a request that starts now. */
  long requestDeadline() {
    return System.nanoTime() + times.requestNanos();
  }

  /** How long a disk waits for its last requests. */
  int patienceMillis() {
    return 2 * times.answerMillis();
  }

  @Override
  public void close() throws IOException {
    closing = true;
    if (!ended) {
      wait.wake();
    }
    try {
      if (!loop.join(java.time.Duration.ofMillis(2L * CLOSE_MILLIS))) {
        throw new IOException(name() + " does not end");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
