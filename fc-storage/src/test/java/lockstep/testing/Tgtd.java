package lockstep.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import lockstep.storage.iscsi.OwnTarget;
import org.junit.jupiter.api.Assumptions;

/** An iSCSI target that a test starts for itself; it can be killed, stopped and started again. */
public final class Tgtd implements AutoCloseable {
  /** The target's name. */
  public static final String TARGET = "iqn.2026-11.dev.lockstep.test:disk";

  private static final String LIBRARY = "libiscsi.so.7";
  private static final List<String> LIBRARY_DIRECTORIES =
      List.of("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib");

  private final OwnTarget target;

  private Tgtd(OwnTarget target) {
    this.target = target;
  }

  /** Starts one, or skips the test where there is none, saying so. */
  public static Tgtd start(Path image) throws Exception {
    Optional<String> missing = OwnTarget.missing().or(Tgtd::missingLibrary);
    missing.ifPresent(what -> System.out.println("iSCSI tests are skipped: " + what));
    Assumptions.assumeTrue(missing.isEmpty(), () -> missing.orElse(""));
    return new Tgtd(OwnTarget.start(TARGET, image));
  }

  private static Optional<String> missingLibrary() {
    return LIBRARY_DIRECTORIES.stream()
            .anyMatch(directory -> Files.exists(Path.of(directory, LIBRARY)))
        ? Optional.empty()
        : Optional.of("no " + LIBRARY + ": install libiscsi7");
  }

  /** Sets it up further; also after each restart. */
  public void admin(String... arguments) throws IOException, InterruptedException {
    target.admin(arguments);
  }

  /** Adds a LUN. */
  public void unit(int lun, Path image) throws IOException, InterruptedException {
    target.unit(lun, image);
  }

  /** Sets parameters of a LUN. */
  public void parameters(int lun, String parameters) throws IOException, InterruptedException {
    admin(
        "--op",
        "update",
        "--mode",
        "logicalunit",
        "--tid",
        "1",
        "--lun",
        String.valueOf(lun),
        "--params",
        parameters);
  }

  /** Where its portal listens, on the loopback interface. */
  public int port() {
    return target.port();
  }

  /** What stands behind {@code iscsi:} for a LUN, through the target's own port. */
  public String address(int lun, String options) {
    return target.address(lun) + options;
  }

  /** The same through another port. */
  public static String address(int port, int lun, String options) {
    return "//127.0.0.1:%d/%s/%d%s".formatted(port, TARGET, lun, options);
  }

  /** SIGKILL: it forgets all but what is in the images. */
  public void kill() {
    target.kill();
  }

  /** Starts it again after {@link #kill}. */
  public void restart() throws IOException, InterruptedException {
    target.restart();
  }

  /** Stops or continues it, as a target that is too busy would look. */
  public void signal(String name) throws IOException, InterruptedException {
    new ProcessBuilder("kill", "-" + name, String.valueOf(target.pid())).start().waitFor();
  }

  @Override
  public void close() throws IOException {
    target.close();
  }
}
