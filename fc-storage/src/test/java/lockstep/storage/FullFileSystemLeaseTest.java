package lockstep.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import lockstep.replay.ft.disk.Arbiter.Verdict;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.disk.Claimant.Side;
import lockstep.testing.FrozenFileSystem;
import lockstep.testing.SmallFileSystem;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A file system without room for one more byte, block or name. */
class FullFileSystemLeaseTest {
  private static final Claimant PRIMARY = new Claimant("1".repeat(32), 1, Side.PRIMARY);
  private static final long SIZE_BYTES = 1 << 20;
  private static final int ROUNDS = 3;
  private static final int NAMES = 4_000;

  private static void fill(Path directory) throws IOException {
    Path filler = directory.resolve("filler");
    ByteBuffer some = ByteBuffer.allocate(4096);
    // Again after a sync: what was set aside for a write that is not on the medium comes back.
    for (int i = 0; i < ROUNDS; i++) {
      try (FileChannel file =
          FileChannel.open(filler, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
        try {
          while (true) {
            file.write(some.clear());
          }
        } catch (IOException e) {
          file.force(true);
        }
      }
    }
    try {
      for (int i = 0; i < NAMES; i++) {
        Files.createFile(directory.resolve("name-" + i));
      }
    } catch (IOException e) {
      // Full of names, too; a tmpfs never is.
    }
  }

  @Test
  void onATmpfsAClaimAndAnEndNeedNoRoom() throws Exception {
    try (SmallFileSystem system = SmallFileSystem.ofBytes(SIZE_BYTES)) {
      claimsWhenFull(system.directory());
    }
  }

  @Test
  void onExt4AClaimAndAnEndNeedNoRoom(@TempDir Path directory) throws Exception {
    Path storage = directory.resolve("fs.img");
    FileDisk.create(storage, 8 * SIZE_BYTES);
    try (FrozenFileSystem system = FrozenFileSystem.in(storage)) {
      claimsWhenFull(system.directory());
    }
  }

  private static void claimsWhenFull(Path directory) throws Exception {
    Path image = directory.resolve("disk.img");
    Files.write(image, new byte[8192]);
    try (FileLease primary = new FileLease(image);
        FileLease backup = new FileLease(image)) {
      primary.enter(PRIMARY);
      backup.enter(PRIMARY.peer());
      fill(directory);
      assertThrows(
          IOException.class,
          () -> Files.write(directory.resolve("one"), new byte[4096]),
          "not full");
      assertEquals(Verdict.WON, backup.claim(PRIMARY.peer()).verdict());
      assertEquals(Verdict.LOST, primary.claim(PRIMARY).verdict());
      backup.leave(PRIMARY.peer());
      assertEquals(java.util.Optional.empty(), backup.holderLine());
    }
  }
}
