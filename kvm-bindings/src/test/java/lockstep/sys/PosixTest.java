package lockstep.sys;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.FutureTask;
import lockstep.uapi.posix_h;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PosixTest {
  /** Where the policy is in /proc/PID/stat (proc_pid_stat(5)), counted from the state at 0. */
  private static final int POLICY = 38;

  /** On a thread of its own, which ends with it. */
  @Test
  void realTimeIsTheKernelsAndIsGivenBack() throws Exception {
    FutureTask<List<String>> seen =
        new FutureTask<>(
            () -> {
              boolean allowed = Posix.realTime(Posix.gettid(), true);
              String first = policy();
              boolean unused = Posix.realTime(Posix.gettid(), false);
              return List.of(String.valueOf(allowed), first, policy());
            });
    Thread.ofPlatform().start(seen).join();
    List<String> policies = seen.get();
    // With SCHED_RESET_ON_FORK, which the kernel does not show there.
    assertEquals(policies.get(0).equals("true") ? "2" : "0", policies.get(1));
    assertEquals("0", policies.get(2));
  }

  private static String policy() throws IOException {
    String stat = Files.readString(Path.of("/proc/thread-self/stat"));
    return stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[POLICY];
  }

  @Test
  void aFailedCallNamesCallSubjectAndError() {
    SysException e =
        assertThrows(SysException.class, () -> Posix.open("/no/such", posix_h.O_RDONLY));
    assertEquals("open /no/such: ENOENT (No such file or directory)", e.getMessage());
    assertEquals("open", e.call());
    assertEquals("/no/such", e.subject());
    assertEquals(posix_h.ENOENT, e.errno());
    assertEquals("errno 4000", Errno.describe(4000));
  }

  @Test
  void aClosedDescriptorRefusesInsteadOfReachingAStrangersFile() throws Exception {
    Fd fd = Posix.eventfd(0);
    fd.close();
    fd.close();
    assertThrows(IllegalStateException.class, fd::number);
    assertThrows(IllegalStateException.class, () -> Posix.read(fd, new byte[8], 0, 8));
  }

  @Test
  void bytesArriveWhereTheyWereSent(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("data");
    Files.write(file, new byte[16]);
    try (Fd fd = Posix.open(file.toString(), posix_h.O_RDWR)) {
      assertEquals(3, Posix.pwrite(fd, new byte[] {0, 1, 2, 3, 4}, 1, 3, 7));
      byte[] back = new byte[5];
      assertEquals(5, Posix.pread(fd, back, 0, 5, 6));
      assertArrayEquals(new byte[] {0, 1, 2, 3, 0}, back);
      assertEquals(0, Posix.pread(fd, back, 0, 5, 16));
      assertThrows(IndexOutOfBoundsException.class, () -> Posix.read(fd, back, 1, 5));
    }
  }

  @Test
  void pollTellsReadyFromTimeout() throws Exception {
    try (Fd fd = Posix.eventfd(posix_h.EFD_NONBLOCK)) {
      assertEquals(0, Posix.poll(fd, posix_h.POLLIN, 1));
      assertEquals(8, Posix.write(fd, new byte[] {1, 0, 0, 0, 0, 0, 0, 0}, 0, 8));
      assertEquals(posix_h.POLLIN, Posix.poll(fd, posix_h.POLLIN, 1000));
    }
  }
}
