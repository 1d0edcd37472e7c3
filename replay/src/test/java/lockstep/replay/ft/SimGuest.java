package lockstep.replay.ft;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.state.Bytes;
import lockstep.replay.log.EntryFramer;
import lockstep.replay.log.FramePipe;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.LogReader;
import lockstep.sys.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * The machine of one host of the simulation: a hash that takes inputs, behind the real gate and the
 * real log. It runs live, recorded, or replays.
 */
final class SimGuest {
  private static final int BYTE = 0xff;

  private final SimHost host;
  private final SimWorld world;
  private final OutputGate gate;
  private long state = 1;
  private boolean running;
  private boolean ended;

  /** Which byte of the guest's life is the first that the gate counts. */
  private long base;

  // The primary's log.
  private @Nullable EntryFramer framer;

  // The backup's.
  private @Nullable FramePipe pipe;
  private @Nullable LogReader reader;
  private long received;
  private boolean stateCame;
  private boolean sealed;
  private boolean toldThatCaughtUp;
  private boolean logOver;
  private boolean live;

  /** The host dies when its log, or its replay, is so long; -1 for never. */
  long diesAt = -1;

  SimGuest(SimHost host, SimWorld world, OutputGate gate) {
    this.host = host;
    this.world = world;
    this.gate = gate;
    scheduleInput();
  }

  OutputGate gate() {
    return gate;
  }

  /** Entries that the host has of the log that it follows. */
  long received() {
    return received;
  }

  /** Entries of the log that it writes. */
  long position() {
    EntryFramer log = framer;
    return log == null ? 0 : log.position();
  }

  /** The vCPU stops for good, or the guest runs from here. */
  void run(boolean on) {
    running = on;
  }

  /** The guest stands, and all of the log is on its way. */
  void stand() {
    running = false;
    EntryFramer log = framer;
    if (log != null) {
      log.flush();
    }
  }

  boolean isRunning() {
    return running && !ended;
  }

  /** Copies the state into a log, which begins; false when outputs still wait to leave. */
  boolean startLog(EntryFramer.Frames frames) {
    if (gate.waiting() > 0) {
      return false;
    }
    EntryFramer log = new EntryFramer(frames);
    framer = log;
    base += gate.consoleReleased();
    gate.restart();
    try (OutputStream out = log.stateStream()) {
      out.write(ByteBuffer.allocate(2 * Long.BYTES).putLong(state).putLong(base).array());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    running = true;
    return true;
  }

  void cutLog() {
    framer = null;
  }

  private void scheduleInput() {
    world.after(
        world.between(0, 6 * SimWorld.MS),
        () -> {
          host.whenAwake(this::liveInput);
          if (!host.dead && !ended) {
            scheduleInput();
          }
        });
  }

  private void liveInput() {
    if (!running || ended) {
      return;
    }
    byte[] content = {(byte) world.random.nextInt()};
    EntryFramer log = framer;
    if (log != null) {
      log.append(new LogEntry.Input(new ExternalInput.ConsoleBytes(Bytes.copyOf(content))));
      dieIfDue(log.position());
    }
    if (!host.dead) {
      take(content[0]);
    }
  }

  private void dieIfDue(long position) {
    if (diesAt >= 0 && position >= diesAt) {
      host.die(world.chance(0.5));
    }
  }

  /** The guest takes an input, and shows something after about every second one. */
  private void take(byte input) {
    state = (state ^ input) * 0x9E3779B97F4A7C15L;
    state ^= state >>> 32;
    if ((state & 1) == 0) {
      EntryFramer log = framer;
      long position = 0;
      if (log != null) {
        log.append(new LogEntry.Output(0));
        log.flush();
        position = log.position();
        dieIfDue(position);
      }
      try {
        gate.put(new Output.Console((int) (state >>> 8) & BYTE), position);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** Becomes the machine of a primary. */
  void receive() {
    gate.follow();
    pipe = new FramePipe(1 << 20, () -> {}, Scheduler.HOST);
    reader = null;
    received = 0;
    stateCame = false;
    sealed = false;
    toldThatCaughtUp = false;
    logOver = false;
    live = false;
    running = false;
    framer = null;
  }

  /** A frame of the log. */
  void frame(Bytes frame) {
    FramePipe to = pipe;
    if (to != null) {
      try {
        received = to.put(frame.asBuffer());
        stateCame = true;
        dieIfDue(received);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  boolean follows() {
    return pipe != null && !running;
  }

  void sealLog() {
    sealed = true;
    FramePipe to = pipe;
    if (to != null) {
      to.end();
    }
  }

  void endLog(boolean goesLive) {
    logOver = true;
    live = goesLive;
    FramePipe to = pipe;
    if (to != null) {
      to.end();
    }
  }

  /** The backup's replay, as far as the log has come. */
  void follow() {
    FramePipe from = pipe;
    if (from == null
        || host.dead
        || running
        || host.session.state() == FtState.HALTED
        || (logOver && !live)) {
      return;
    }
    try {
      LogReader log = reader;
      if (log == null) {
        if (!stateCame) {
          return;
        }
        log = LogReader.follow(from);
        InputStream in = log.stateStream();
        ByteBuffer saved = ByteBuffer.wrap(in.readNBytes(2 * Long.BYTES));
        state = saved.getLong();
        base = saved.getLong();
        reader = log;
        host.restored();
      }
      while (log.position() < received) {
        if (log.take() instanceof LogEntry.Input input
            && input.input() instanceof ExternalInput.ConsoleBytes console) {
          take((byte) console.content().at(0));
        }
      }
      if (sealed && !toldThatCaughtUp && log.position() >= received) {
        toldThatCaughtUp = true;
        host.tell(new FtEvent.CaughtUp());
      }
      if (logOver && !ended) {
        running = true;
        host.tell(new FtEvent.WentLive());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Shows what may be shown; whether that was anything. */
  boolean pump() {
    boolean any = false;
    while (true) {
      long at = base + gate.consoleReleased();
      long head = gate.headPosition();
      Output next = gate.poll(Output.Kind.CONSOLE);
      if (next == null) {
        return any;
      }
      any = true;
      host.checkAcknowledged(at, head);
      world.trace("%s shows byte %d".formatted(host.name, at));
      world.show(host.name, at, ((Output.Console) next).value());
    }
  }

  /** The guest ends in order, as after a power-off. */
  void end() {
    ended = true;
    stand();
  }
}
