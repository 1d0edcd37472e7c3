package lockstep.replay.record;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.InputSource.Action;
import lockstep.monitor.input.StoppedMachine;
import lockstep.monitor.input.VcpuPosition.Stop;
import lockstep.monitor.state.Bytes;
import lockstep.replay.log.EntryFramer;
import lockstep.replay.log.FramePipe;
import lockstep.replay.log.LogEntry;
import lockstep.replay.log.LogReader;
import lockstep.replay.placement.StandingVcpu;
import lockstep.replay.playback.ReplayOptions;
import lockstep.replay.playback.Replayer;
import lockstep.sys.Scheduler;
import org.junit.jupiter.api.Test;

/** A guest that has written more memory than this process has heap: no side holds all of it. */
class LargeStateSyncTest {
  private static final int PAGE_BYTES = 4096;
  private static final long LIMIT_SECONDS = 300;
  private static final long PIPE_BYTES = 16 << 20;

  /** Contents that no compression makes smaller. */
  private static final int CONTENTS = 61;

  private static final int PAGES =
      Math.toIntExact(Runtime.getRuntime().maxMemory() / PAGE_BYTES / 4 * 5);

  private final byte[][] contents = new byte[CONTENTS][PAGE_BYTES];
  private final CompletableFuture<Long> taken = new CompletableFuture<>();
  private long staged;

  private static StandingVcpu on(InvocationHandler machine) {
    StandingVcpu vcpu = new StandingVcpu(0);
    vcpu.machine =
        Optional.of(
            (StoppedMachine)
                Proxy.newProxyInstance(
                    StoppedMachine.class.getClassLoader(),
                    new Class<?>[] {StoppedMachine.class},
                    machine));
    return vcpu;
  }

  private StandingVcpu recorded() {
    return on(
        (_, method, arguments) -> {
          if (method.getName().equals("takeDirtyPages")) {
            StoppedMachine.PageSink sink = (StoppedMachine.PageSink) arguments[0];
            for (int page = 0; page < PAGES; page++) {
              sink.page((long) page * PAGE_BYTES, contents[page % CONTENTS]);
            }
          }
          return method.getReturnType() == byte[].class ? new byte[] {1} : null;
        });
  }

  private StandingVcpu replayed() {
    return on(
        (_, method, arguments) -> {
          switch (method.getName()) {
            case "stagePage" -> {
              assertEquals(staged * PAGE_BYTES, (long) arguments[0]);
              assertTrue(Arrays.equals(contents[(int) (staged % CONTENTS)], (byte[]) arguments[1]));
              staged++;
            }
            case "takeStagedPages" -> {
              return staged;
            }
            case "replaceCpuState" -> taken.complete(staged);
            default -> throw new IllegalStateException(method.getName());
          }
          return null;
        });
  }

  @Test
  void itGoesThroughTheLogInBoundedPieces() throws Exception {
    Random random = new Random(1);
    for (byte[] content : contents) {
      random.nextBytes(content);
    }
    FramePipe pipe = new FramePipe(PIPE_BYTES, () -> {}, Scheduler.HOST);
    Thread reading =
        Thread.ofPlatform()
            .name("backup")
            .start(
                () -> {
                  try {
                    replay(pipe);
                  } catch (Throwable e) {
                    taken.completeExceptionally(e);
                  }
                });
    record(pipe);
    assertEquals(PAGES, taken.get(LIMIT_SECONDS, TimeUnit.SECONDS));
    reading.join();
  }

  /** The primary may die in the middle of a state-sync: what came of it is not the machine's. */
  @Test
  void whatComesWithoutItsPointChangesNothing() throws Exception {
    FramePipe pipe = new FramePipe(PIPE_BYTES, () -> {}, Scheduler.HOST);
    EntryFramer framer = new EntryFramer((header, body, _) -> pipe.put(joined(header, body)));
    framer.append(new LogEntry.Pages(List.of(new LogEntry.Page(0, Bytes.copyOf(contents[0])))));
    framer.flush();
    pipe.end();
    replay(pipe);
    assertEquals(1, staged);
    assertFalse(taken.isDone(), "a state-sync without its point");
  }

  private static ByteBuffer joined(byte[] header, ByteBuffer body) {
    return ByteBuffer.allocate(header.length + body.remaining())
        .put(header)
        .put(body.duplicate())
        .flip();
  }

  private void record(FramePipe pipe) throws Exception {
    EntryFramer framer =
        new EntryFramer(
            (header, body, _) -> {
              while (pipe.isFull() && !taken.isDone()) {
                Thread.onSpinWait();
              }
              pipe.put(joined(header, body));
              pipe.wake();
            });
    Recorder recorder =
        new Recorder(
            new HostInputs(new InputQueue(), Recorder.TIMERS, 0, _ -> {}),
            0,
            framer,
            framer::flush,
            new RecordOptions(StepReach.NONE, 10, true, 0, 1_000_000_000_000L, 1_000_000));
    StandingVcpu vcpu = recorded();
    assertEquals(Action.RUN, recorder.next(vcpu));
    vcpu.stop = Stop.HOST;
    vcpu.pending = true;
    vcpu.canTake = true;
    assertEquals(Action.DELIVER, recorder.next(vcpu));
    framer.flush();
    pipe.end();
  }

  private void replay(FramePipe pipe) throws Exception {
    ReplayOptions options = new ReplayOptions(OptionalLong.empty(), false, true, Long.MAX_VALUE);
    LogReader log = LogReader.follow(pipe);
    Replayer replayer = new Replayer(log, 0, _ -> {}, options);
    assertEquals(Action.STOP, replayer.next(replayed()));
    assertTrue(replayer.cameToTheEnd());
    assertEquals(pipe.entries(), log.position());
  }
}
