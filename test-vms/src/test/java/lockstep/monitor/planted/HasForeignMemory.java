package lockstep.monitor.planted;

import java.lang.foreign.MemorySegment;

/** Foreign memory outside the bindings. */
public final class HasForeignMemory {
  private HasForeignMemory() {}

  static long size(MemorySegment segment) {
    return segment.byteSize();
  }
}
