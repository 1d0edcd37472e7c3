package lockstep.testvms;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import lockstep.testvms.lab.HostLab;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The guests on QEMU's own PC, by plain emulation. When one fails here the guest is wrong; when one
 * passes here and fails on Lockstep, Lockstep is.
 */
final class QemuGuestTest {
  private static final String QEMU = "qemu-system-x86_64";
  private static final int TIMEOUT_SECONDS = 300;

  @ParameterizedTest
  @MethodSource("lockstep.testvms.Guests#all")
  void guestPrintsWhatItShouldOnQemu(Guest guest, @TempDir Path directory) throws Exception {
    assumeTrue(HostLab.hasQemu(), () -> "skipped: no " + QEMU + " on this host");
    Path image = directory.resolve(guest.name());
    Files.write(image, guest.image());
    Path console = directory.resolve("console");
    Process qemu =
        new ProcessBuilder(command(guest, image))
            .redirectErrorStream(true)
            .redirectOutput(console.toFile())
            .start();
    try {
      try (OutputStream typing = qemu.getOutputStream()) {
        typing.write(guest.consoleInput().getBytes(ISO_8859_1));
      }
      assertTrue(
          qemu.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS),
          () -> guest.name() + " did not end: " + read(console));
    } finally {
      qemu.destroyForcibly().waitFor();
    }
    // QEMU's isa-debug-exit ends with (code << 1) | 1, so that it is never 0.
    assertEquals(1, qemu.exitValue() & 1, () -> read(console));
    assertTrue(
        guest.passes(read(console), qemu.exitValue() >> 1),
        () -> "exit code " + (qemu.exitValue() >> 1) + ", console: " + read(console));
  }

  private static List<String> command(Guest guest, Path image) {
    List<String> command = new ArrayList<>(List.of(QEMU, "-accel", "tcg", "-machine", "pc"));
    // QEMU's flash and BIOS need more than the smallest guests ask for.
    command.addAll(List.of("-m", Integer.toString(Math.max(guest.memoryMib(), 16))));
    command.addAll(List.of("-display", "none", "-monitor", "none", "-serial", "stdio"));
    command.addAll(List.of("-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"));
    switch (guest.format()) {
      case FLAT16 -> command.addAll(List.of("-drive", "format=raw,file=" + image));
      case MULTIBOOT -> command.addAll(List.of("-kernel", image.toString()));
    }
    if (guest.name().equals("ports")) {
      // QEMU itself does not survive many of these: its UART asserts on an access of two bytes.
      command.addAll(List.of("-append", "accesses=50 seed=7"));
    }
    return command;
  }

  private static String read(Path console) {
    try {
      return Files.readString(console, ISO_8859_1);
    } catch (IOException e) {
      return "(no console: " + e.getMessage() + ")";
    }
  }
}
