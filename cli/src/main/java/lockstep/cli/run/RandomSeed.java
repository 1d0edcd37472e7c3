package lockstep.cli.run;

import java.io.FileInputStream;
import java.io.IOException;
import lockstep.monitor.boot.BootException;
import lockstep.monitor.state.Bytes;

/** The guest's entropy: drawn from the host once, then part of the machine's initial state. */
final class RandomSeed {
  private static final String DEVICE = "/dev/urandom";

  /** What Linux's generator takes at once. */
  private static final int SEED_BYTES = 32;

  private RandomSeed() {}

  static Bytes fromHost() throws BootException {
    // Not SecureRandom: it reads the same device, after loading providers for tens of milliseconds.
    try (FileInputStream device = new FileInputStream(DEVICE)) {
      return Bytes.copyOf(device.readNBytes(SEED_BYTES));
    } catch (IOException e) {
      throw new BootException(DEVICE, "cannot be read: " + e.getMessage(), "check the host");
    }
  }
}
