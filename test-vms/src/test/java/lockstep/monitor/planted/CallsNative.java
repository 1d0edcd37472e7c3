package lockstep.monitor.planted;

import java.lang.foreign.Linker;

/** A second place that links native code. */
public final class CallsNative {
  private CallsNative() {}

  static Linker linker() {
    return Linker.nativeLinker();
  }
}
