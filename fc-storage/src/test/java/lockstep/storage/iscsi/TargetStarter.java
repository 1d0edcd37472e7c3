package lockstep.storage.iscsi;

import java.nio.file.Path;

/**
 * A process that starts a target, prints its process's number and the two files that it will leave,
 * and waits to be killed.
 */
final class TargetStarter {
  private TargetStarter() {}

  /** Argument: an image. */
  public static void main(String[] arguments) throws Exception {
    OwnTarget target =
        OwnTarget.start("iqn.2026-11.dev.lockstep.test:killed", Path.of(arguments[0]));
    System.out.println(target.pid());
    target.leftovers().forEach(System.out::println);
    Thread.sleep(Long.MAX_VALUE);
  }
}
