package lockstep.monitor.device;

import java.util.function.IntConsumer;
import lockstep.monitor.bus.PortHandler;

/**
 * The exit port, by the convention of QEMU's isa-debug-exit: the value written ends the run. It has
 * no state.
 */
public final class DebugExit implements PortHandler {
  private final IntConsumer exit;

  /** A port that hands each value written (0..255) to {@code exit}. */
  public DebugExit(IntConsumer exit) {
    this.exit = exit;
  }

  @Override
  public int read(int offset, int sizeBytes) {
    return 0;
  }

  @Override
  public void write(int offset, int sizeBytes, int value) {
    exit.accept(value & 0xff);
  }
}
