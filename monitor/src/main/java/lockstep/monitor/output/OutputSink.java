package lockstep.monitor.output;

import lockstep.monitor.block.BlockRequest;

/**
 * The one way out of a machine: takes all that the guest shows to the world. Called on the vCPU
 * thread; must not block for long.
 */
public interface OutputSink extends ConsoleSink, DiskSink {
  /** A way out put together from one for each kind. */
  static OutputSink of(ConsoleSink console, DiskSink disks) {
    return new OutputSink() {
      @Override
      public void consoleByte(int value) {
        console.consoleByte(value);
      }

      @Override
      public void request(int disk, BlockRequest request) {
        disks.request(disk, request);
      }
    };
  }

  /** The way out of a machine that has no disks. */
  static OutputSink console(ConsoleSink console) {
    return of(
        console,
        (disk, request) -> {
          throw new IllegalStateException("a request to disk %d of none".formatted(disk));
        });
  }
}
