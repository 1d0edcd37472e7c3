package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Debian's stock cloud kernel to its initramfs: a kernel that nobody configured for Lockstep, with
 * everything a distribution turns on. Minutes where KVM emulates kernel code, seconds elsewhere.
 */
@KvmRequired
@Tag("long")
class DebianKernelTest {
  private static final long BOOT_LIMIT_SECONDS = 20 * 60;
  private static final long FETCH_LIMIT_SECONDS = 120;

  /**
   * Less of what costs minutes in an emulated kernel: self tests, waiting for entropy, and what
   * nobody here uses: tables for tracing (133 s), BTF of a congestion control (87 s).
   */
  private static final String TRIMS =
      " cryptomgr.notests random.trust_bootloader=on initcall_blacklist=trace_eval_init,"
          + "init_kprobe_trace,cubictcp_register,blake2s_mod_init,load_system_certificate_list,"
          + "slab_sysfs_init";

  /** At 250 Hz of the host's an emulated kernel does little else than handle its timer. */
  private static final String SLOW_CLOCK = "10";

  @Test
  void bootsToItsInitramfsAnswersAndResets() throws Exception {
    assumeTrue(
        LinuxCatalog.built().isPresent(),
        "the tiny Linux is not built, whose initramfs this uses: run test-vms/linux/build");
    Path initrd = LinuxCatalog.built().orElseThrow().resolve("initrd.cpio");
    try (ConsoleSession linux =
        new ConsoleSession(
            "--kernel",
            kernel().toString(),
            "--initrd",
            initrd.toString(),
            "--memory",
            "256M",
            "--slow-clock",
            SLOW_CLOCK,
            "--append",
            LinuxCatalog.COMMAND_LINE + TRIMS)) {
      linux.await(ConsoleSession.PROMPT, BOOT_LIMIT_SECONDS);
      assertTrue(linux.answerTo("uname").contains("cloud-amd64"), linux.transcript());
      linux.type("reboot");
      assertEquals(0, linux.exitCode(), linux.transcript());
    }
  }

  private static Path kernel() throws Exception {
    Path script =
        Path.of(System.getProperty("lockstep.home"), "test-vms", "linux", "fetch-cloud-kernel");
    Process fetch =
        new ProcessBuilder(script.toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String directory =
        new String(fetch.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertTrue(fetch.waitFor(FETCH_LIMIT_SECONDS, TimeUnit.SECONDS), "the fetch did not end");
    assertEquals(0, fetch.exitValue(), "the cloud kernel could not be fetched");
    try (Stream<Path> boot = Files.list(Path.of(directory, "boot"))) {
      return boot.filter(path -> path.getFileName().toString().startsWith("vmlinuz-"))
          .findFirst()
          .orElseThrow();
    }
  }
}
