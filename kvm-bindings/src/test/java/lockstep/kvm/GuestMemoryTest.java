package lockstep.kvm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.zip.CRC32C;
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
  void aChecksumIsTheCrc32cOfTheRangeAndSeesEveryBit() throws Exception {
    long seed = new Random().nextLong();
    System.out.println("GuestMemoryTest seed " + seed);
    Random random = new Random(seed);
    try (GuestMemory memory = GuestMemory.allocate(2 * LOW, LOW)) {
      memory.write(0x1000, "123456789".getBytes(StandardCharsets.US_ASCII), 0, 9);
      assertEquals(0xe306_9283, memory.checksum(0x1000, 9), "the check value of CRC-32C");
      assertEquals(0, memory.checksum(0x1000, 0), "nothing");
      byte[] content = new byte[(int) LOW];
      random.nextBytes(content);
      memory.write(HIGH_START, content, 0, content.length);
      for (int i = 0; i < 50; i++) {
        int from = random.nextInt(content.length);
        int length = 1 + random.nextInt(content.length - from);
        CRC32C expected = new CRC32C();
        expected.update(content, from, length);
        int whole = memory.checksum(HIGH_START + from, length);
        assertEquals((int) expected.getValue(), whole);
        int at = from + random.nextInt(length);
        content[at] ^= (byte) (1 << random.nextInt(8));
        memory.putByte(HIGH_START + at, content[at]);
        assertNotEquals(whole, memory.checksum(HIGH_START + from, length));
      }
      assertThrows(BadGuestAddress.class, () -> memory.checksum(LOW - 1, 2));
      assertThrows(BadGuestAddress.class, () -> memory.checksum(0, -1));
    }
  }

  @Test
  void aZeroRangeIsToldFromOneWithASingleBitSet() throws Exception {
    try (GuestMemory memory = GuestMemory.allocate(2 * LOW, LOW)) {
      assertTrue(memory.isZero(0, LOW));
      for (long at : new long[] {0, 1, 4095, 4096, 70_000, LOW - 2}) {
        memory.putByte(HIGH_START + at, 0x80);
        assertFalse(memory.isZero(HIGH_START, LOW), "byte " + at);
        assertTrue(memory.isZero(HIGH_START, at));
        assertTrue(memory.isZero(HIGH_START + at + 1, LOW - at - 1));
        memory.putByte(HIGH_START + at, 0);
      }
      assertThrows(BadGuestAddress.class, () -> memory.isZero(LOW, 1));
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
    assertThrows(IllegalStateException.class, () -> memory.checksum(0, 1));
    assertThrows(IllegalStateException.class, () -> memory.isZero(0, 1));
  }
}
