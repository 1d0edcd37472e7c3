package lockstep.storage.planted;

import java.lang.foreign.MemorySegment;

/** A backend with native memory outside its native part. */
public final class HasBuffers {
  private HasBuffers() {}

  static Class<?> segment() {
    return MemorySegment.class;
  }
}
