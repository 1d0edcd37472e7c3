package lockstep.testing;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import lockstep.monitor.state.Bytes;
import lockstep.storage.scsi.ScsiReply;
import lockstep.storage.scsi.Sense;

/**
 * A SCSI unit in memory: blocks, and persistent reservations as SPC-4, 5.12 has them, each command
 * carried out at once and whole. It forgets at a restart what a target without APTPL does, and it
 * keeps commands that are on their way for later. No clock and no thread: whoever drives it says
 * what happens when.
 *
 * <p>Not thread-safe.
 */
public final class ModelUnit {
  private static final int REGISTER = 0;
  private static final int RESERVE = 1;
  private static final int RELEASE = 2;
  private static final int CLEAR = 3;
  private static final int PREEMPT = 4;
  private static final int PREEMPT_AND_ABORT = 5;
  private static final int REGISTER_AND_IGNORE = 6;
  private static final int WRITE_16 = 0x8a;
  private static final int READ_16 = 0x88;
  private static final int IN = 0x5e;
  private static final int OUT = 0x5f;
  private static final int POWER_ON = 0x2900;
  private static final int PREEMPTED_RESERVATION = 0x2a03;
  private static final int RELEASED_RESERVATION = 0x2a04;
  private static final int PREEMPTED_REGISTRATION = 0x2a05;
  private static final int INVALID_FIELD = 0x2400;

  /** How a target behaves. */
  public enum Kind {
    /** Keeps registrations through a restart, and knows a nexus again (LIO, arrays). */
    KEEPS,
    /** Forgets them, and counts each connection as a nexus (tgtd). */
    FORGETS
  }

  /** Told of each write that changes the medium. */
  @FunctionalInterface
  public interface Writes {
    /**
     * @param initiator who wrote
     */
    void written(String initiator, long block, Bytes data);
  }

  private final Kind kind;
  private final Writes writes;
  private final Map<Long, Bytes> blocks = new TreeMap<>();
  private final Map<String, Long> registrations = new LinkedHashMap<>();
  private final Map<String, Integer> attentions = new LinkedHashMap<>();
  private final List<Late> late = new ArrayList<>();
  private String holder = "";
  private int generation;
  private int connections;
  private int life;
  private int resets;

  /** A command on its way: it arrives, or a reset or a restart of the target has ended it. */
  public final class Late {
    private final Connection from;
    private final Bytes cdb;
    private final Bytes out;

    private Late(Connection from, Bytes cdb, Bytes out) {
      this.from = from;
      this.cdb = cdb;
      this.out = out;
    }

    /** Whether it may still arrive. */
    public boolean isOnItsWay() {
      return late.contains(this);
    }

    /** It arrives, whatever became of its connection: the answer; empty when it was ended. */
    public Optional<ScsiReply> arrive() {
      return late.remove(this) ? Optional.of(obey(from, cdb, out)) : Optional.empty();
    }
  }

  /** A unit of zeros that nobody knows yet. */
  public ModelUnit(Kind kind, Writes writes) {
    this.kind = kind;
    this.writes = writes;
  }

  /** An initiator's connection; it is of no use any more when the target is started again. */
  public final class Connection {
    private final String initiator;
    private final String nexus;
    private final int born = life;
    private boolean closed;

    private Connection(String initiator) {
      this.initiator = initiator;
      this.nexus = kind == Kind.FORGETS ? initiator + "#" + connections++ : initiator;
      attentions.put(nexus, POWER_ON);
    }

    /** Whether commands can still be sent. */
    public boolean isUp() {
      return !closed && born == life;
    }

    /** Cuts it; what is on its way may still arrive. */
    public void close() {
      closed = true;
    }

    /**
     * Carries out a command.
     *
     * @throws IOException when the connection is gone: it was not carried out
     */
    public ScsiReply execute(Bytes cdb, Bytes out) throws IOException {
      if (!isUp()) {
        throw new IOException("connection lost");
      }
      return obey(this, cdb, out);
    }

    /** Sends a command that arrives by {@link #arrive}, or never. */
    public void sendLate(Bytes cdb, Bytes out) {
      if (isUp()) {
        var unused = send(cdb, out);
      }
    }

    /** Sends a command that arrives when its sender says so, or never. */
    public Late send(Bytes cdb, Bytes out) {
      Late one = new Late(this, cdb, out);
      late.add(one);
      return one;
    }

    /**
     * LOGICAL UNIT RESET: what is on its way, from whoever, is not carried out any more.
     *
     * @throws IOException when the connection is gone
     */
    public void reset() throws IOException {
      if (!isUp()) {
        throw new IOException("connection lost");
      }
      resets++;
      late.clear();
      attentions.replaceAll((at, before) -> at.equals(nexus) ? before : POWER_ON);
      registrations.keySet().forEach(at -> tell(at, nexus, POWER_ON));
    }
  }

  /** Connects. */
  public Connection connect(String initiator) {
    return new Connection(initiator);
  }

  /** The target ends and is started again. */
  public void restart() {
    life++;
    late.clear();
    attentions.clear();
    generation = 0;
    if (kind == Kind.FORGETS) {
      registrations.clear();
      holder = "";
    }
  }

  /** Loses the reservation and nothing else. */
  public void loseReservation() {
    registrations.keySet().forEach(at -> tell(at, "", RELEASED_RESERVATION));
    holder = "";
  }

  /** Loses one of its registrations. */
  public void loseRegistration(int which) {
    if (!registrations.isEmpty()) {
      String nexus = new ArrayList<>(registrations.keySet()).get(which % registrations.size());
      unregister(nexus);
      attentions.put(nexus, PREEMPTED_REGISTRATION);
    }
  }

  /** How many commands are on their way. */
  public int late() {
    return late.size();
  }

  /** One command that was on its way arrives. */
  public void arrive(int which) {
    var unused = late.get(which).arrive();
  }

  /** How often it was reset. */
  public int resets() {
    return resets;
  }

  /** The initiator that holds the reservation; empty for none. */
  public String holder() {
    int at = holder.indexOf('#');
    return at < 0 ? holder : holder.substring(0, at);
  }

  /** The key that holds the reservation; 0 for none. */
  public long holderKey() {
    return registrations.getOrDefault(holder, 0L);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    registrations.forEach(
        (nexus, key) ->
            text.append(nexus.equals(holder) ? "*" : "")
                .append(nexus)
                .append("=%016x ".formatted(key)));
    return text.toString();
  }

  private ScsiReply obey(Connection from, Bytes cdb, Bytes out) {
    Integer attention = attentions.remove(from.nexus);
    if (attention != null) {
      return check(Sense.UNIT_ATTENTION, attention);
    }
    return switch (cdb.at(0)) {
      case IN -> in(cdb.at(1));
      case OUT -> out(from.nexus, cdb.at(1), out);
      case WRITE_16 -> write(from, cdb.asBuffer().getLong(2), out);
      case READ_16 -> good(blocks.getOrDefault(cdb.asBuffer().getLong(2), Bytes.empty()));
      default -> check(Sense.ILLEGAL_REQUEST, 0x2000);
    };
  }

  private ScsiReply write(Connection from, long block, Bytes data) {
    if (!holder.isEmpty() && !holder.equals(from.nexus)) {
      return CONFLICT;
    }
    blocks.put(block, data);
    writes.written(from.initiator, block, data);
    return GOOD;
  }

  private ScsiReply in(int what) {
    return switch (what) {
      case 0 -> {
        ByteBuffer keys = ByteBuffer.allocate(8 + 8 * registrations.size());
        keys.putInt(generation).putInt(8 * registrations.size());
        registrations.values().forEach(keys::putLong);
        yield good(Bytes.copyOf(keys.array()));
      }
      case 1 -> {
        ByteBuffer one = ByteBuffer.allocate(holder.isEmpty() ? 8 : 24);
        one.putInt(generation).putInt(one.capacity() - 8);
        if (!holder.isEmpty()) {
          one.putLong(registrations.getOrDefault(holder, 0L)).put(21, (byte) 1);
        }
        yield good(Bytes.copyOf(one.array()));
      }
      case 2 -> {
        ByteBuffer all = ByteBuffer.allocate(8).putShort(0, (short) 8);
        yield good(Bytes.copyOf(all.put(2, (byte) (kind == Kind.KEEPS ? 1 : 0)).array()));
      }
      default -> check(Sense.ILLEGAL_REQUEST, INVALID_FIELD);
    };
  }

  private ScsiReply out(String nexus, int what, Bytes list) {
    long key = list.asBuffer().getLong(0);
    long action = list.asBuffer().getLong(8);
    long mine = registrations.getOrDefault(nexus, 0L);
    if (what == REGISTER_AND_IGNORE || (what == REGISTER && mine == key)) {
      return register(nexus, action);
    }
    if (mine == 0 || mine != key) {
      return CONFLICT;
    }
    return switch (what) {
      case RESERVE -> {
        if (!holder.isEmpty() && !holder.equals(nexus)) {
          yield CONFLICT;
        }
        holder = nexus;
        yield GOOD;
      }
      case RELEASE -> {
        if (holder.equals(nexus)) {
          holder = "";
        }
        yield GOOD;
      }
      case CLEAR -> {
        registrations.keySet().forEach(at -> tell(at, nexus, PREEMPTED_RESERVATION));
        registrations.clear();
        holder = "";
        generation++;
        yield GOOD;
      }
      case PREEMPT, PREEMPT_AND_ABORT -> preempt(nexus, action);
      default -> check(Sense.ILLEGAL_REQUEST, INVALID_FIELD);
    };
  }

  private ScsiReply register(String nexus, long key) {
    if (key == 0) {
      unregister(nexus);
    } else {
      registrations.put(nexus, key);
    }
    generation++;
    return GOOD;
  }

  private void unregister(String nexus) {
    registrations.remove(nexus);
    if (holder.equals(nexus)) {
      holder = "";
      registrations.keySet().forEach(at -> tell(at, nexus, RELEASED_RESERVATION));
    }
  }

  private ScsiReply preempt(String nexus, long victim) {
    boolean takes = !holder.isEmpty() && registrations.getOrDefault(holder, 0L) == victim;
    List<String> victims =
        registrations.entrySet().stream()
            .filter(one -> one.getValue() == victim && !one.getKey().equals(nexus))
            .map(Map.Entry::getKey)
            .toList();
    if (!takes && victims.isEmpty()) {
      return CONFLICT;
    }
    for (String one : victims) {
      registrations.remove(one);
      attentions.put(one, PREEMPTED_REGISTRATION);
    }
    if (takes) {
      holder = nexus;
    }
    generation++;
    return GOOD;
  }

  private void tell(String nexus, String but, int code) {
    if (!nexus.equals(but)) {
      attentions.put(nexus, code);
    }
  }

  private static final ScsiReply GOOD = good(Bytes.empty());
  private static final ScsiReply CONFLICT =
      new ScsiReply(ScsiReply.RESERVATION_CONFLICT, Sense.NONE, Bytes.empty());

  private static ScsiReply good(Bytes data) {
    return new ScsiReply(ScsiReply.GOOD, Sense.NONE, data);
  }

  private static ScsiReply check(int key, int code) {
    return new ScsiReply(ScsiReply.CHECK_CONDITION, new Sense(key, code), Bytes.empty());
  }
}
