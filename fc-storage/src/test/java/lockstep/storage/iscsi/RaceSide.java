package lockstep.storage.iscsi;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.scsi.PersistentReserve;
import lockstep.storage.scsi.ScsiArbiter;

/**
 * A process that is one side of many races for a disk: told by lines on standard input, answers
 * with lines on standard output. The primary writes all the time, from before the race on.
 */
final class RaceSide {
  static final int BLOCK = 4096;

  /** What the winner fills its blocks with. */
  static final byte PRIMARY_BYTE = (byte) 0xaa;

  static final byte BACKUP_BYTE = (byte) 0xbb;

  private static final int WRITERS = 8;
  private static final int LATE_WRITES = 16;

  /** A loser knows nothing before the winner has told the unit; one a millisecond. */
  private static final int CLAIMS = 5_000;

  private final IscsiDisk disk;
  private final Claimant.Side side;
  private final AtomicLong numbers = new AtomicLong();
  private final AtomicInteger flying = new AtomicInteger();
  private volatile boolean writing;

  private RaceSide(IscsiDisk disk, Claimant.Side side) {
    this.disk = disk;
    this.side = side;
  }

  static String vm(int round) {
    return "%06x".formatted(round) + "0".repeat(26);
  }

  /** Arguments: address behind {@code iscsi:}, side. */
  public static void main(String[] arguments) throws Exception {
    Claimant.Side side = Claimant.Side.valueOf(arguments[1]);
    try (IscsiSession session =
            IscsiSession.open(IscsiAddress.parse(arguments[0]), IscsiTimes.USUAL);
        Arbiter arbiter = new ScsiArbiter(session, PersistentReserve.Type.WRITE_EXCLUSIVE, 5_000);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, UTF_8))) {
      session.greeting(((ScsiArbiter) arbiter)::restore);
      ((ScsiArbiter) arbiter).onDoubt(session::doubt);
      RaceSide here = new RaceSide(IscsiDisk.open(session), side);
      String line = in.readLine();
      while (line != null) {
        String[] words = line.split(" ", -1);
        Claimant self = new Claimant(vm(Integer.parseInt(words[1])), 1, side);
        System.out.println(here.obey(words, arbiter, self));
        line = in.readLine();
      }
    }
  }

  private String obey(String[] words, Arbiter arbiter, Claimant self) throws Exception {
    switch (words[0]) {
      case "enter" -> {
        arbiter.enter(self);
        if (side == Claimant.Side.PRIMARY) {
          writing = true;
          for (int i = 0; i < WRITERS; i++) {
            write(i);
          }
        }
        return "entered";
      }
      case "contested" -> {
        // As FtNode does before the backup may claim: without it a beat of this primary may take
        // the disk back from a backup that is just winning it.
        arbiter.contested(true);
        return "contested";
      }
      case "claim" -> {
        while (System.currentTimeMillis() < Long.parseLong(words[2])) {
          Thread.onSpinWait();
        }
        Arbiter.Ruling ruling = arbiter.claim(self);
        for (int i = 0; i < CLAIMS && ruling.verdict() == Arbiter.Verdict.UNKNOWN; i++) {
          Thread.sleep(1);
          ruling = arbiter.claim(self);
        }
        return ruling.verdict().name();
      }
      case "write" -> {
        return late();
      }
      case "leave" -> {
        writing = false;
        while (flying.get() > 0) {
          Thread.sleep(1);
        }
        arbiter.leave(self);
        return "left";
      }
      default -> throw new IllegalArgumentException(words[0]);
    }
  }

  private void write(int writer) {
    flying.incrementAndGet();
    long number = numbers.incrementAndGet();
    byte[] data = new byte[BLOCK];
    java.nio.ByteBuffer.wrap(data).putLong(0, number).putLong(BLOCK - 8, number);
    disk.submit(
        new BlockRequest.Write(number, (long) writer * BLOCK, Bytes.copyOf(data), false),
        result -> {
          flying.decrementAndGet();
          if (writing && result instanceof BlockResult.Done) {
            write(writer);
          }
        });
  }

  /** Tries to write, and says how many writes were accepted, fenced, and failed. */
  private String late()
      throws InterruptedException, ExecutionException, java.util.concurrent.TimeoutException {
    int accepted = 0;
    int fenced = 0;
    for (int i = 0; i < LATE_WRITES; i++) {
      CompletableFuture<BlockResult> result = new CompletableFuture<>();
      byte[] data = new byte[BLOCK];
      java.util.Arrays.fill(data, side == Claimant.Side.PRIMARY ? PRIMARY_BYTE : BACKUP_BYTE);
      disk.submit(
          new BlockRequest.Write(
              numbers.incrementAndGet(), (long) (i % WRITERS) * BLOCK, Bytes.copyOf(data), false),
          r -> result.complete(r.kept()));
      switch (result.get(30, TimeUnit.SECONDS)) {
        case BlockResult.Done _ -> accepted++;
        case BlockResult.Fenced _ -> fenced++;
        case BlockResult.Failed failed -> System.err.println(failed);
        case BlockResult.NotStarted held -> System.err.println(held);
      }
    }
    return "accepted " + accepted + " fenced " + fenced;
  }
}
