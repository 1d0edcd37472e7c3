package lockstep.storage.scsi;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayDeque;
import java.util.Random;
import lockstep.monitor.state.Bytes;
import lockstep.testing.ModelUnit;
import org.jspecify.annotations.Nullable;

/**
 * A host with the real arbiter and, in place of an iSCSI session, what that does at its heart:
 * connects again, asks the arbiter what may be sent, resets the unit if the disk is this host's,
 * and sends once more what was not answered.
 */
final class ModelHost implements ScsiTransport {
  private static final int PATIENCE = 40;
  private static final int SLOW = 40;

  private final String name;
  private final ModelUnit unit;
  private final Turns turns;
  private final Random random;
  private final ScsiArbiter arbiter;
  private final ArrayDeque<Long> requests = new ArrayDeque<>();
  private ModelUnit.@Nullable Connection connection;
  private Standing standing = Standing.HOLDS;
  private boolean held;
  private boolean unsettled;
  private int refused;

  /** The greeting is under way: nothing else is sent. */
  private boolean greeting;

  private int flying;

  /** One of so many commands goes wrong; 0 for none. */
  private int faults;

  private boolean reachable = true;

  ModelHost(String name, ModelUnit unit, Turns turns, Random random) {
    this.name = name;
    this.unit = unit;
    this.turns = turns;
    this.random = random;
    this.arbiter =
        new ScsiArbiter(this, PersistentReserve.Type.WRITE_EXCLUSIVE, 5_000, turns.of(name));
    arbiter.onDoubt(() -> held = true);
    turns.add(name, this::session);
  }

  ScsiArbiter arbiter() {
    return arbiter;
  }

  void faults(int oneOf) {
    faults = oneOf;
  }

  /** Whether its way to the unit is whole. */
  void reachable(boolean now) {
    reachable = now;
    if (!now) {
      drop();
    }
  }

  /** The guest writes a block. */
  void request(long block) {
    requests.add(block);
  }

  int unanswered() {
    return requests.size();
  }

  /** How many requests were answered with a conflict. */
  int refused() {
    return refused;
  }

  Standing standing() {
    return standing;
  }

  @Override
  public String toString() {
    ModelUnit.Connection now = connection;
    return "%s: %s/%s, connected %b, held %b, %d requests"
        .formatted(
            name, standing, arbiter.standing(), now != null && now.isUp(), held, requests.size());
  }

  private void session() throws InterruptedException {
    while (true) {
      try {
        ModelUnit.Connection now = connection;
        if (now == null || !now.isUp()) {
          connect();
        } else if (held && flying == 0 && (standing != Standing.LOST || !requests.isEmpty())) {
          greet(now);
        } else if (!requests.isEmpty() && !held) {
          write(now);
          continue;
        }
      } catch (IOException e) {
        drop();
      }
      turns.idle();
    }
  }

  private void connect() throws IOException, InterruptedException {
    unsettled |= connection != null;
    connection = null;
    if (!reachable) {
      return;
    }
    ModelUnit.Connection fresh = unit.connect(name);
    greet(fresh);
    connection = fresh;
  }

  private void greet(ModelUnit.Connection on) throws IOException, InterruptedException {
    greeting = true;
    try {
      Direct alone = new Direct(on);
      held = false;
      Standing found = arbiter.restore(alone);
      if (found == Standing.HOLDS && unsettled) {
        alone.resetUnit(0);
        found = arbiter.restore(alone);
      }
      greeted(found);
    } finally {
      greeting = false;
    }
  }

  private void greeted(Standing found) {
    standing = found;
    switch (found) {
      case HOLDS -> unsettled = false;
      case FOLLOWS -> {
        // Nothing to send again.
      }
      case WAITS -> held = true;
      case LOST -> {
        refused += requests.size();
        requests.clear();
        held = true;
      }
    }
  }

  private void write(ModelUnit.Connection on) throws IOException, InterruptedException {
    long block = requests.getFirst();
    Bytes data = Bytes.copyOf(new byte[] {1});
    ScsiReply reply = send(on, BlockCommands.transfer(true, false, block, 1), data);
    if (reply.conflict()) {
      held = true;
    } else if (!reply.attention()) {
      requests.removeFirst();
    }
  }

  private void drop() {
    ModelUnit.Connection last = connection;
    if (last != null) {
      last.close();
    }
  }

  /** One command, or what can become of it. */
  private ScsiReply send(ModelUnit.Connection on, Bytes cdb, Bytes out)
      throws IOException, InterruptedException {
    turns.pass();
    int fault = faults == 0 ? -1 : random.nextInt(3 * faults);
    if (fault == 0) {
      on.sendLate(cdb, out);
    } else if (fault == 1 && on.isUp()) {
      ScsiReply unused = on.execute(cdb, out);
      turns.pass();
    }
    if (fault >= 0 && fault < 3) {
      on.close();
      throw new IOException("no answer");
    }
    ScsiReply reply = on.execute(cdb, out);
    if (reply.attention() && reply.sense().reservationsInDoubt()) {
      held = true;
    }
    // Now and then this host is slow to hear of it.
    for (int i = faults > 0 && random.nextInt(faults) == 0 ? SLOW : 1; i > 0; i--) {
      turns.pass();
    }
    return reply;
  }

  @Override
  public ScsiReply execute(Bytes cdb, Bytes dataOut, int dataInBytes, int timeoutMillis)
      throws IOException {
    try {
      ModelUnit.Connection now = connection;
      for (int i = 0; i < PATIENCE && (now == null || !now.isUp() || greeting); i++) {
        turns.idle();
        now = connection;
      }
      if (now == null || greeting) {
        throw new IOException("not connected");
      }
      flying++;
      try {
        return send(now, cdb, dataOut);
      } finally {
        flying--;
      }
    } catch (InterruptedException e) {
      throw new InterruptedIOException("interrupted");
    }
  }

  @Override
  public void resetUnit(int timeoutMillis) throws IOException {
    ModelUnit.Connection now = connection;
    if (now == null) {
      throw new IOException("not connected");
    }
    new Direct(now).resetUnit(timeoutMillis);
  }

  @Override
  public String name() {
    return name;
  }

  /** A connection with nothing else on it. */
  private final class Direct implements ScsiTransport {
    private final ModelUnit.Connection on;

    Direct(ModelUnit.Connection on) {
      this.on = on;
    }

    @Override
    public ScsiReply execute(Bytes cdb, Bytes dataOut, int dataInBytes, int timeoutMillis)
        throws IOException {
      try {
        return send(on, cdb, dataOut);
      } catch (InterruptedException e) {
        throw new InterruptedIOException("interrupted");
      }
    }

    @Override
    public void resetUnit(int timeoutMillis) throws IOException {
      try {
        turns.pass();
      } catch (InterruptedException e) {
        throw new InterruptedIOException("interrupted");
      }
      on.reset();
    }

    @Override
    public String name() {
      return name;
    }
  }
}
