package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.Collectors;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.boot.BootKind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The table against the images that the build made. */
final class GuestImagesTest {
  @ParameterizedTest
  @MethodSource("lockstep.testvms.Guests#all")
  void everyGuestIsInTheJarAndLoadsInItsOwnMemory(Guest guest) throws Exception {
    BootFile file = BootFile.of(guest.name(), guest.image());
    BootKind kind =
        switch (guest.format()) {
          case FLAT16 -> BootKind.FLAT;
          case MULTIBOOT -> BootKind.MULTIBOOT;
        };
    assertEquals(kind, BootImages.detect(file));
    BootConfig config = BootConfig.of((long) guest.memoryMib() << 20, "");
    assertEquals(kind, BootImages.load(file, config).kind());
  }

  @Test
  void namesAreUnique() {
    assertEquals(
        Guests.all().size(),
        Guests.all().stream().map(Guest::name).collect(Collectors.toSet()).size());
  }

  @Test
  void aGuestWithTheWrongCodeOrOutputDoesNotPass() {
    Guest hello = Guests.find("hello").orElseThrow();
    assertTrue(hello.passes("hello from 16-bit real mode\r\n", 0));
    assertFalse(hello.passes("hello from 16-bit real mode\r\n", 1));
    assertFalse(hello.passes("hello from 16-bit real mod", 0));
    assertTrue(Guests.find("no such guest").isEmpty());
  }
}
