package lockstep.sys;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Files;
import java.nio.file.Path;
import lockstep.uapi.posix_h;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PosixTest {
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
