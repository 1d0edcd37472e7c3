package lockstep.kvm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import lockstep.kvm.GuestMemory.BadGuestAddress;
import org.junit.jupiter.api.Test;

class GuestMemoryTest {
  private static final long LOW = 1L << 20;
  private static final long HIGH_START = 1L << 32;

  @Test
  void wildGuestAddressesAreRefusedAndNeverCrash() throws Exception {
    long seed = new Random().nextLong();
    System.out.println("GuestMemoryTest seed " + seed);
    Random random = new Random(seed);
    long[] edges = {0, LOW, HIGH_START, HIGH_START + LOW, Long.MAX_VALUE, Long.MIN_VALUE, -1};
    byte[] bytes = new byte[64];
    try (GuestMemory memory = GuestMemory.allocate(2 * LOW, LOW)) {
      for (int i = 0; i < 1_000_000; i++) {
        long address =
            random.nextBoolean()
                ? random.nextLong()
                : edges[random.nextInt(edges.length)] + random.nextInt(-80, 80);
        int length = random.nextInt(bytes.length + 1);
        boolean inRam = isRam(address, length);
        assertEquals(inRam, memory.contains(address, length));
        boolean accepted = true;
        try {
          switch (random.nextInt(4)) {
            case 0 -> memory.read(address, bytes, 0, length);
            case 1 -> memory.write(address, bytes, 0, length);
            case 2 -> memory.slice(address, length);
            default -> memory.fill(address, length, (byte) 1);
          }
        } catch (BadGuestAddress e) {
          accepted = false;
        }
        assertEquals(inRam, accepted, () -> Long.toHexString(address) + "+" + length);
      }
    }
  }

  private static boolean isRam(long address, int length) {
    return (address >= 0 && address < LOW && address + length <= LOW)
        || (address >= HIGH_START
            && address < HIGH_START + LOW
            && address + length <= HIGH_START + LOW);
  }

  @Test
  void aNegativeLengthIsRefused() throws Exception {
    try (GuestMemory memory = GuestMemory.allocate(LOW, LOW)) {
      assertFalse(memory.contains(0x1000, -1));
      assertThrows(BadGuestAddress.class, () -> memory.slice(0x1000, -1));
      assertThrows(BadGuestAddress.class, () -> memory.slice(0x1000, Long.MIN_VALUE));
    }
  }

  @Test
  void valuesAreLittleEndianAtAnyAlignment() throws Exception {
    try (GuestMemory memory = GuestMemory.allocate(2 * LOW, LOW)) {
      for (long address : new long[] {1, LOW - 8, HIGH_START, HIGH_START + 3}) {
        memory.putLong(address, 0x8877_6655_4433_2211L);
        assertEquals(0x8877_6655_4433_2211L, memory.getLong(address));
        assertEquals(0x4433_2211, memory.getInt(address));
        assertEquals(0x2211, memory.getShort(address));
        assertEquals(0x11, memory.getByte(address));
        memory.putInt(address + 4, 0xdead_beef);
        memory.putShort(address, 0xfffe);
        memory.putByte(address + 2, 0xff);
        byte[] copy = new byte[8];
        memory.read(address, copy, 0, 8);
        assertArrayEquals(
            new byte[] {
              (byte) 0xfe, -1, -1, 0x44, (byte) 0xef, (byte) 0xbe, (byte) 0xad, (byte) 0xde
            },
            copy);
      }
      assertThrows(BadGuestAddress.class, () -> memory.putLong(LOW - 7, 0));
      assertThrows(BadGuestAddress.class, () -> memory.getInt(LOW));
    }
  }

  @Test
  void absurdSizesAreRefusedWithTheirBounds() {
    for (long size : new long[] {0, -4096, 1, 4097, Long.MAX_VALUE, GuestMemory.MAX_BYTES + 4096}) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> GuestMemory.allocate(size, LOW));
      assertTrue(e.toString().contains("guest memory of " + size + " bytes: "), e.toString());
    }
    assertThrows(IllegalArgumentException.class, () -> GuestMemory.allocate(LOW, 0));
    assertThrows(IllegalArgumentException.class, () -> GuestMemory.allocate(LOW, 1L << 33));
  }

  @Test
  void accessAfterCloseIsAnErrorInsteadOfACrash() throws Exception {
    GuestMemory memory = GuestMemory.allocate(LOW, LOW);
    memory.close();
    memory.close();
    assertThrows(IllegalStateException.class, () -> memory.getByte(0));
    assertThrows(IllegalStateException.class, () -> memory.putLong(8, 1));
  }
}
