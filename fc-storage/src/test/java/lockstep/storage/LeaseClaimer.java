package lockstep.storage;

import java.nio.file.Files;
import java.nio.file.Path;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;

/** A process that claims many disks as one side; prints a line for each. */
final class LeaseClaimer {
  static final String VM = "00112233445566778899aabbccddeeff";

  private LeaseClaimer() {}

  /** Arguments: directory, side, number of disks, a file whose appearance starts the race. */
  public static void main(String[] arguments) throws Exception {
    Path directory = Path.of(arguments[0]);
    Claimant self = new Claimant(VM, 1, Claimant.Side.valueOf(arguments[1]));
    int disks = Integer.parseInt(arguments[2]);
    Path start = Path.of(arguments[3]);
    System.out.println("ready");
    for (int i = 0; i < 10_000 && !Files.exists(start); i++) {
      Thread.sleep(1);
    }
    long first = System.currentTimeMillis() + 20;
    for (int disk = 0; disk < disks; disk++) {
      // Both processes at the same moment, as near as two processors come.
      while (System.currentTimeMillis() < first + 4L * disk) {
        Thread.onSpinWait();
      }
      try (Arbiter arbiter = new FileLease(directory.resolve(disk + ".img"))) {
        System.out.println(arbiter.claim(self).verdict());
      }
    }
  }
}
