package lockstep.storage;

import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.state.Bytes;
import lockstep.storage.ffi.disk.DiskEngine;
import lockstep.storage.iscsi.IscsiAddress;
import lockstep.storage.iscsi.IscsiDisk;
import lockstep.storage.iscsi.IscsiSession;
import lockstep.storage.iscsi.IscsiTimes;
import lockstep.sys.HostScheduler;

/**
 * A process with a disk, on whose thread an Error is thrown: by what hears of a completion there.
 * Arguments: an engine or ISCSI, how the host's cache is used, the kind of request, the image or
 * the address.
 */
final class FailingDiskThread {
  private static final int BLOCK = 4096;
  private static final int BEHIND = 8;
  private static final long LIMIT_MILLIS = 20_000;

  private FailingDiskThread() {}

  /** Ends by fail-stop, or with an exception that says that it did not. */
  public static void main(String[] arguments) throws Exception {
    HostScheduler.endOnUncaught();
    BlockDevice disk =
        arguments[0].equals("ISCSI")
            ? IscsiDisk.open(IscsiSession.open(IscsiAddress.parse(arguments[3]), IscsiTimes.USUAL))
            : FileDisk.open(
                Path.of(arguments[3]),
                FileDisk.HostCache.valueOf(arguments[1]),
                medium ->
                    DiskEngine.of(DiskEngine.Kind.valueOf(arguments[0]), medium, NativeDisk.DEPTH));
    Consumer<BlockResult> tells =
        result -> {
          if (!(result instanceof BlockResult.Done)) {
            System.out.println(result);
          }
        };
    AtomicBoolean failed = new AtomicBoolean();
    Consumer<BlockResult> fails =
        result -> {
          if (!failed.getAndSet(true)) {
            throw new StackOverflowError("planted");
          }
          tells.accept(result);
        };
    disk.submit(request(arguments[2], 0), fails);
    for (int i = 1; i <= BEHIND; i++) {
      disk.submit(request(arguments[2], i), tells);
    }
    Thread.sleep(LIMIT_MILLIS);
    throw new IllegalStateException("the process goes on without its disk's thread");
  }

  private static BlockRequest request(String kind, int id) {
    long at = (long) id * BLOCK;
    return switch (kind) {
      case "read" -> new BlockRequest.Read(id, at, BLOCK);
      case "write" -> new BlockRequest.Write(id, at, Bytes.copyOf(new byte[BLOCK]), false);
      case "discard" -> new BlockRequest.Discard(id, at, BLOCK);
      default -> throw new IllegalArgumentException(kind);
    };
  }
}
