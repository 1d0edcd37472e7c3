package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.storage.FileDisk;
import lockstep.testing.KvmRequired;
import lockstep.testing.MirrorMount;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Commands with an image that another VM has, as a user has them. */
@KvmRequired
class FileLeaseCommandsTest {
  private static final long LIMIT_SECONDS = 300;
  private static final long DISK_BYTES = 4L << 20;

  @TempDir private Path directory = Path.of("");
  private Path image = Path.of("");

  @BeforeEach
  void create() throws Exception {
    image = directory.resolve("disk.img");
    FileDisk.create(image, DISK_BYTES);
  }

  private static void assertRefused(String part, String command, String... arguments)
      throws Exception {
    try (ConsoleSession session = ConsoleSession.of(command, arguments)) {
      assertEquals(1, session.exitCode(), session.transcript());
      assertTrue(session.transcript().contains(part), session.transcript());
      assertFalse(session.transcript().contains("internal error"), session.transcript());
    }
  }

  private ConsoleSession vm(String command, Path on) throws Exception {
    ConsoleSession session = ConsoleSession.of(command, "--guest", "bank", "--disk", "file:" + on);
    session.await("bank: 2\r\n", LIMIT_SECONDS);
    return session;
  }

  private static void end(ConsoleSession session) throws Exception {
    session.typeRaw("q");
    assertEquals(0, session.exitCode(), session.transcript());
  }

  @Test
  void noCommandGetsTheImageOfALivingVm() throws Exception {
    try (ConsoleSession first = vm("run", image)) {
      String inUse = "is in use by another VM, ";
      assertRefused(inUse, "run", "--guest", "bank", "--disk", "file:" + image);
      assertRefused(
          inUse,
          "record",
          directory.resolve("log").toString(),
          "--guest",
          "bank",
          "--disk",
          "file:" + image);
      assertRefused(inUse, "primary", "--guest", "bank", "--disk", "file:" + image);
      try (ConsoleSession info = ConsoleSession.of("disk", "info", "file:" + image)) {
        assertEquals(0, info.exitCode(), info.transcript());
        assertTrue(info.transcript().contains("taken by     VM "), info.transcript());
      }
      end(first);
    }
    try (ConsoleSession next = vm("primary", image)) {
      assertRefused("is in use", "run", "--guest", "bank", "--disk", "file:" + image);
      end(next);
    }
  }

  /** Locks of one mount are not seen through the other. */
  @Test
  void noCommandGetsItThroughAnotherMount() throws Exception {
    Path program = MirrorMount.compile(directory);
    Path shared = Files.createDirectory(directory.resolve("shared"));
    Path on = shared.resolve("disk.img");
    FileDisk.create(on, DISK_BYTES);
    try (MirrorMount one = MirrorMount.closeToOpen(program, shared);
        MirrorMount two = MirrorMount.closeToOpen(program, shared)) {
      Path here = one.directoryForOthers().resolve("disk.img");
      Path there = two.directoryForOthers().resolve("disk.img");
      try (ConsoleSession first = vm("run", here)) {
        assertRefused(
            "is in use by another VM, ", "run", "--guest", "bank", "--disk", "file:" + there);
        assertRefused(
            "is in use by another VM, ", "primary", "--guest", "bank", "--disk", "file:" + there);
        end(first);
      }
    }
  }

  @Test
  void imageOfAVmThatWasKilledIsTakenAfterALook() throws Exception {
    try (ConsoleSession first = vm("run", image)) {
      first.kill();
    }
    try (ConsoleSession next = vm("run", image)) {
      end(next);
    }
  }

  /** Its guest makes no request that could be refused. */
  @ParameterizedTest
  @ValueSource(strings = {"run", "record"})
  void idleVmWhoseDiskWasTakenEndsAtOnceWithOneLine(String command) throws Exception {
    List<String> arguments = new ArrayList<>(List.of("--guest", "echo", "--disk", "file:" + image));
    if (command.equals("record")) {
      arguments.addFirst(directory.resolve("log").toString());
    }
    try (ConsoleSession vm = ConsoleSession.of(command, arguments.toArray(String[]::new))) {
      vm.await("> ", LIMIT_SECONDS);
      int shown = vm.transcript().length();
      takeAway();
      assertEquals(1, vm.exitCode(), vm.transcript());
      String said = vm.transcript().substring(shown).strip();
      String told = "lockstep %s: the guest was stopped, its disk is not this VM's any more: disk ";
      assertTrue(said.startsWith(told.formatted(command)), said);
      assertEquals(1, said.lines().count(), said);
    }
  }

  /** By hand, which the VM cannot tell from another host that does it. */
  private void takeAway() throws Exception {
    String disk = "file:" + image;
    String text;
    try (ConsoleSession info = ConsoleSession.of("disk", "info", disk)) {
      assertEquals(0, info.exitCode(), info.transcript());
      text = info.transcript();
    }
    Matcher vm = Pattern.compile("VM ([0-9a-f]{32}), epoch 1").matcher(text);
    assertTrue(vm.find(), text);
    try (ConsoleSession claim =
        ConsoleSession.of(
            "disk", "arbitrate", disk, "--vm", vm.group(1), "--epoch", "1", "--side", "backup")) {
      assertEquals(0, claim.exitCode(), claim.transcript());
    }
  }

  /** Its directory is not where it was: the lease cannot be given up. */
  @Test
  void endOfAGuestIsItsOwnAlsoWhenTheDiskCannotBeGivenUp() throws Exception {
    Path there = Files.createDirectory(directory.resolve("there"));
    Path on = there.resolve("disk.img");
    FileDisk.create(on, DISK_BYTES);
    try (ConsoleSession vm =
        ConsoleSession.of("primary", "--guest", "echo", "--disk", "file:" + on)) {
      vm.await("> ", LIMIT_SECONDS);
      Path unused = Files.move(there, directory.resolve("elsewhere"));
      vm.typeRaw("exit 7\r");
      assertEquals(7, vm.exitCode(), vm.transcript());
      assertTrue(vm.transcript().contains("the disk was not given up"), vm.transcript());
    }
  }

  @Test
  void readOnlyImageNeedsNoLeaseAndIsShared() throws Exception {
    var unused = Files.setPosixFilePermissions(image, PosixFilePermissions.fromString("r--r--r--"));
    try (ConsoleSession run =
        ConsoleSession.of("run", "--guest", "echo", "--disk", "file:" + image)) {
      run.typeRaw("quit\r");
      assertEquals(0, run.exitCode(), run.transcript());
    }
    assertFalse(Files.exists(directory.resolve("disk.img.lease")), "a lease was taken");
  }
}
