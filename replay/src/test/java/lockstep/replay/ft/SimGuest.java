package lockstep.replay.ft;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongConsumer;
import lockstep.monitor.MachineCopy;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.VirtualMachine;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.DiskRequest;
import lockstep.monitor.input.CodeAt;
import lockstep.monitor.input.ConsoleLine;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.InputSource.GuestExit;
import lockstep.monitor.input.StoppedMachine;
import lockstep.monitor.input.VcpuPosition;
import lockstep.monitor.snapshot.Packing;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.vcpu.RoleSwitch;

/**
 * A machine without KVM: a guest that is a hash of its inputs. It waits for its timer, its console
 * and its disk, then reads the clock, shows bytes, writes and reads blocks, as its hash says.
 */
final class SimGuest implements VirtualMachine, VcpuPosition, StoppedMachine {
  /** What a user types to have it end itself. */
  static final int POWER_OFF = 'Q';

  /** Its exit code then. */
  static final int EXIT_CODE = 7;

  /** Guest time in which it has much to do; later it only ticks. */
  private static final long BUSY_NANOS = 4 * SimWorld.SECOND;

  private static final int VECTOR = 32;
  private static final int LAST_CHUNK = 2;
  private static final int CHUNK = 1;
  private static final int CHUNK_BYTES = 256;
  private static final long MEMORY_BYTES = 1 << 20;

  private final SimSide side;
  private final SimProcess process;
  private final RoleSwitch doors;
  private final SimMemory memory = new SimMemory();
  private Stop stop = Stop.START;
  private Optional<RunResult> result = Optional.empty();
  private boolean kicked;
  private boolean injected;

  SimGuest(SimSide side, RoleSwitch doors) {
    this.side = side;
    this.process = side.process;
    this.doors = doors;
    // So that it begins with something to do.
    memory.todo = 1;
  }

  /** The machine whose state another one's {@link #copy} wrote. */
  static SimGuest receive(SimSide side, InputStream from, RoleSwitch doors, LongConsumer clockNanos)
      throws IOException {
    SimGuest guest = new SimGuest(side, doors);
    DataInputStream in = new DataInputStream(from);
    int kind = in.read();
    while (kind == CHUNK) {
      in.readNBytes(CHUNK_BYTES);
      kind = in.read();
    }
    if (kind != LAST_CHUNK) {
      throw new IOException("the state is cut");
    }
    clockNanos.accept(in.readLong());
    byte[] state = in.readNBytes(in.readInt());
    guest.memory.decode(state);
    if (guest.memory.deadlineNanos != Long.MAX_VALUE) {
      doors.armTimer(0, guest.memory.deadlineNanos);
    }
    return guest;
  }

  SimMemory memory() {
    return memory;
  }

  // The loop; see VcpuLoop.

  @Override
  public RunResult run() throws lockstep.sys.SysException, InterruptedException {
    result = Optional.empty();
    while (result.isEmpty()) {
      process.point();
      kicked = false;
      switch (doors.next(this)) {
        case APPLY -> apply(doors.input());
        case DELIVER -> {
          memory.interrupt = false;
          memory.halted = false;
          injected = true;
          doors.delivered(VECTOR);
        }
        case RUN, RUN_TO_WINDOW, STEP -> enter();
        case WAIT -> {
          // The source has waited.
        }
        case STOP -> end(new RunResult.Stopped());
      }
    }
    return result.orElseThrow();
  }

  private void end(RunResult how) {
    if (result.isEmpty()) {
      result = Optional.of(how);
    }
  }

  private void apply(ExternalInput input) {
    switch (input) {
      case ExternalInput.TimerExpiry expiry -> {
        memory.deadlineNanos = Long.MAX_VALUE;
        memory.mix(expiry.nowNanos());
        memory.todo += 1 + (int) (memory.hash >>> 16 & 3);
        memory.interrupt = true;
      }
      case ExternalInput.ConsoleBytes typed -> {
        memory.mix(typed.content().at(0));
        memory.todo++;
        memory.powerOff |= typed.content().at(0) == POWER_OFF;
        memory.interrupt = true;
      }
      case ExternalInput.DiskCompletion completion -> completed(completion);
      case ExternalInput.HostDecision decision ->
          end(
              switch (decision.decision()) {
                case STOP -> new RunResult.Stopped();
                case RESET -> new RunResult.Reset();
              });
    }
  }

  private void completed(ExternalInput.DiskCompletion completion) {
    Optional<BlockRequest> found =
        memory.inFlight.stream().filter(request -> request.id() == completion.id()).findFirst();
    if (found.isEmpty()) {
      if (side.isFaulty()) {
        // It asked for something else than the primary did. The real device changes nothing.
        return;
      }
      side.world.fail("%s: completion of no request: %s".formatted(side.name, completion));
      return;
    }
    switch (completion.status()) {
      case DONE -> done(found.get(), completion.data());
      case FENCED -> {
        String reason =
            new String(completion.data().toArray(), java.nio.charset.StandardCharsets.UTF_8);
        end(new RunResult.Fenced(reason));
        return;
      }
      case FAILED ->
          side.world.fail("%s: the guest met a disk error: %s".formatted(side.name, found.get()));
    }
    memory.inFlight.remove(found.get());
    memory.mix(completion.id());
    memory.interrupt = true;
  }

  private void done(BlockRequest request, Bytes data) {
    if (side.isFaulty() && request instanceof BlockRequest.Read && data.size() == 0) {
      // The primary's request of this number was another one.
      return;
    }
    int block = SimMemory.blockOf(request);
    switch (request) {
      case BlockRequest.Read _ -> {
        long number = data.asBuffer().getLong(0);
        memory.mix(data.asBuffer().getLong(Long.BYTES));
        if (number < memory.done[block] || number > memory.issued[block]) {
          // Of a side that has lost and does not know it yet, no output leaves.
          side.isWrongIfItShows(
              "%s: the guest reads write %d of block %d; %d was done and %d asked for"
                  .formatted(side.name, number, block, memory.done[block], memory.issued[block]));
        }
      }
      case BlockRequest.Write write -> memory.done[block] = write.data().asBuffer().getLong(0);
      case BlockRequest.Flush _ -> {
        // Nothing that is done is lost before either.
      }
      case BlockRequest.Discard _ -> throw new IllegalArgumentException("no discards here");
    }
  }

  /** Computes for a moment, unless it is kicked, and makes one exit. */
  private void enter() throws InterruptedException {
    injected = false;
    SimWorld world = side.world;
    long compute =
        world.chance(0.005) ? world.between(0, 80 * SimWorld.MS) : world.between(5_000, 60_000);
    long until = process.nanoTime() + compute;
    while (!kicked && process.nanoTime() < until) {
      if (Thread.interrupted()) {
        throw new InterruptedException("vCPU thread told to end");
      }
      process.park(this, until - process.nanoTime());
    }
    if (kicked) {
      stop = Stop.HOST;
      return;
    }
    side.divergeIfDue(memory);
    stop = Stop.GUEST_EXIT;
    if (memory.powerOff) {
      exit(GuestExit.PORT_OUT, EXIT_CODE);
      end(new RunResult.ExitPort(EXIT_CODE));
    } else if (memory.todo > 0) {
      memory.todo--;
      act();
    } else if (memory.deadlineNanos == Long.MAX_VALUE) {
      exit(GuestExit.PORT_OUT, 0);
      armTimer();
    } else {
      exit(GuestExit.HALT, 0);
      memory.halted = true;
    }
    side.exited(memory.exits);
  }

  private void exit(GuestExit how, long data) {
    memory.exits++;
    doors.guestExit(how, 0, 1, data);
  }

  private void armTimer() {
    long now = doors.nowNanos();
    memory.mix(now);
    long pause =
        now < BUSY_NANOS ? SimWorld.MS + (memory.hash >>> 8 & 15) * SimWorld.MS : 150 * SimWorld.MS;
    memory.deadlineNanos = now + pause;
    doors.armTimer(0, memory.deadlineNanos);
  }

  private void act() {
    memory.mix(memory.todo);
    int block = (int) (memory.hash >>> 24) & (SimMemory.BLOCKS - 1);
    int choice = (int) (memory.hash >>> 40) & 7;
    long offset = (long) block * SimMemory.BLOCK_BYTES;
    if (choice < 3) {
      int value = (int) (memory.hash >>> 8) & 0xff;
      exit(GuestExit.PORT_OUT, value);
      side.shows(memory.consoleBytes++);
      doors.consoleByte(value);
      side.hasShown();
    } else if (choice == 3) {
      exit(GuestExit.PORT_IN, 0);
      memory.mix(doors.nowNanos());
    } else if (choice == 4 && !memory.isFlushing()) {
      exit(GuestExit.MMIO_WRITE, 3);
      request(new BlockRequest.Flush(memory.nextId++));
    } else if (choice == 5 && !memory.isBusy(block)) {
      exit(GuestExit.MMIO_WRITE, 1);
      request(new BlockRequest.Read(memory.nextId++, offset, SimMemory.BLOCK_BYTES));
    } else if (choice > 5 && !memory.isBusy(block)) {
      exit(GuestExit.MMIO_WRITE, 2);
      memory.issued[block]++;
      Bytes content = memory.content(block, memory.issued[block]);
      request(new BlockRequest.Write(memory.nextId++, offset, content, false));
    } else {
      exit(GuestExit.PORT_IN, 1);
    }
  }

  private void request(BlockRequest request) {
    memory.inFlight.add(request);
    side.asks(request);
    doors.request(0, request);
    side.hasShown();
  }

  @Override
  public VcpuPosition position() {
    return this;
  }

  @Override
  public ConsoleLine console() {
    return ConsoleLine.OPEN;
  }

  @Override
  public Runnable kick(Thread vcpu) {
    return () -> {
      kicked = true;
      LockSupport.unpark(vcpu);
    };
  }

  @Override
  public List<DiskRequest> diskRequestsInFlight() {
    return memory.inFlight.stream().map(request -> new DiskRequest(0, request)).toList();
  }

  @Override
  public List<DiskRequest> diskRequestsUnanswered(List<ExternalInput> waiting) {
    Set<Long> answered = new HashSet<>();
    for (ExternalInput input : waiting) {
      if (input instanceof ExternalInput.DiskCompletion completion) {
        answered.add(completion.id());
      }
    }
    return diskRequestsInFlight().stream()
        .filter(asked -> !answered.contains(asked.request().id()))
        .toList();
  }

  @Override
  public Optional<RunResult> save(OutputStream out, SavedInputs inputs, Progress progress)
      throws IOException {
    writeState(new DataOutputStream(out), inputs);
    return Optional.empty();
  }

  private void writeState(DataOutputStream out, SavedInputs inputs) throws IOException {
    byte[] state = memory.encode();
    out.writeByte(LAST_CHUNK);
    out.writeLong(inputs.clockNanos());
    out.writeInt(state.length);
    out.write(state);
    out.flush();
  }

  @Override
  public MachineCopy copy(OutputStream out, Packing packing) {
    return new Copy(new DataOutputStream(out));
  }

  /** Memory that takes time to send, and is written meanwhile. */
  private final class Copy implements MachineCopy {
    private final DataOutputStream out;
    private long left = MEMORY_BYTES;

    Copy(DataOutputStream out) {
      this.out = out;
    }

    @Override
    public void first(Progress progress) throws IOException {
      next();
    }

    @Override
    public long collect() {
      left = side.world.between(0, left);
      return left;
    }

    @Override
    public void next() throws IOException {
      out.writeByte(CHUNK);
      out.write(new byte[CHUNK_BYTES]);
      out.flush();
      try {
        process.sleep(
            side.world.between(SimWorld.MS, (side.world.chance(0.5) ? 2 : 60) * SimWorld.MS));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new java.io.InterruptedIOException();
      }
    }

    @Override
    public Optional<RunResult> finish(SavedInputs inputs) throws IOException {
      side.logBegins();
      writeState(out, inputs);
      return Optional.empty();
    }

    @Override
    public void close() {
      // Nothing is held.
    }
  }

  @Override
  public void close() {
    // Nothing is held.
  }

  // Where it stands.

  @Override
  public long guestExits() {
    return memory.exits;
  }

  @Override
  public Stop stop() {
    return stop;
  }

  @Override
  public boolean ended() {
    return result.isPresent();
  }

  @Override
  public boolean halted() {
    return memory.halted;
  }

  @Override
  public boolean interruptPending() {
    return memory.interrupt;
  }

  @Override
  public boolean canTakeInterrupt() {
    return !injected;
  }

  @Override
  public boolean interruptsEnabled() {
    return true;
  }

  @Override
  public void completeInstruction() {
    // It always is.
  }

  @Override
  public void readRegisters(long[] values) {
    values[0] = memory.hash;
  }

  @Override
  public boolean inKernelMode() {
    return false;
  }

  @Override
  public boolean canStep() {
    return false;
  }

  @Override
  public StoppedMachine machine() {
    return this;
  }

  @Override
  public byte[] cpuState() {
    return memory.encode();
  }

  @Override
  public void replaceCpuState(byte[] encoded) {
    memory.decode(encoded);
    stop = Stop.START;
    injected = false;
  }

  @Override
  public byte[] devicesState() {
    return new byte[0];
  }

  @Override
  public int[] memoryChecksums(int chunkBytes) {
    return new int[] {(int) memory.hash};
  }

  @Override
  public long memoryBytes() {
    return MEMORY_BYTES;
  }

  @Override
  public void trackDirtyPages() {
    // It has no pages.
  }

  @Override
  public void untrackDirtyPages() {
    // It has no pages.
  }

  @Override
  public void takeDirtyPages(PageSink sink) {
    // It has no pages.
  }

  @Override
  public void stagePage(long address, byte[] content) {
    throw new UncheckedIOException(new IOException("it has no pages"));
  }

  @Override
  public long takeStagedPages() {
    return 0;
  }

  @Override
  public void replacePage(long address, byte[] content) {
    throw new UncheckedIOException(new IOException("it has no pages"));
  }

  @Override
  public String registerDump() {
    return "hash %016x".formatted(memory.hash);
  }

  @Override
  public CodeAt code() {
    return CodeAt.nothing(0);
  }
}
