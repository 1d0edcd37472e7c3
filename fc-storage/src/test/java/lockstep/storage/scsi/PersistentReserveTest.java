package lockstep.storage.scsi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;

/** The bytes of persistent reservations and of sense data. */
class PersistentReserveTest {
  private static final int MUTATIONS = 100_000;

  private static Bytes hex(String text) {
    return Bytes.copyOf(HexFormat.of().parseHex(text.replace(" ", "")));
  }

  @Test
  void commandsAreThoseOfTheStandard() {
    assertEquals(
        hex("5e 00 00 00 00 00 00 10 00 00"), PersistentReserve.in(PersistentReserve.In.READ_KEYS));
    assertEquals(
        hex("5e 01 00 00 00 00 00 10 00 00"),
        PersistentReserve.in(PersistentReserve.In.READ_RESERVATION));
    assertEquals(
        hex("5e 02 00 00 00 00 00 10 00 00"),
        PersistentReserve.in(PersistentReserve.In.REPORT_CAPABILITIES));
    assertEquals(
        hex("5f 04 01 00 00 00 00 00 18 00"),
        PersistentReserve.out(
            PersistentReserve.Out.PREEMPT, PersistentReserve.Type.WRITE_EXCLUSIVE));
    assertEquals(
        hex("5f 06 05 00 00 00 00 00 18 00"),
        PersistentReserve.out(
            PersistentReserve.Out.REGISTER_AND_IGNORE_EXISTING_KEY,
            PersistentReserve.Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY));
    assertEquals(
        hex("0102030405060708 1112131415161718 00000000 01 00 0000"),
        PersistentReserve.parameters(0x0102030405060708L, 0x1112131415161718L, true));
  }

  @Test
  void answersAreReadAsTheStandardSays() throws Exception {
    assertEquals(
        new PersistentReserve.Keys(7, List.of()), PersistentReserve.keys(hex("00000007 00000000")));
    assertEquals(
        new PersistentReserve.Keys(0xffffffffL, List.of(1L, -1L)),
        PersistentReserve.keys(hex("ffffffff 00000010 0000000000000001 ffffffffffffffff 0000")));
    assertEquals(Optional.empty(), PersistentReserve.reservation(hex("00000007 00000000")));
    assertEquals(
        Optional.of(
            new PersistentReserve.Reservation(
                0x4cL, Optional.of(PersistentReserve.Type.WRITE_EXCLUSIVE))),
        PersistentReserve.reservation(
            hex("00000007 00000010 000000000000004c 00000000 00 01 0000")));
    assertEquals(
        new PersistentReserve.Capabilities(
            true,
            true,
            List.of(
                PersistentReserve.Type.WRITE_EXCLUSIVE,
                PersistentReserve.Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS)),
        PersistentReserve.capabilities(hex("0008 01 81 02 01 0000")));
    assertEquals(
        new PersistentReserve.Capabilities(false, false, List.of()),
        PersistentReserve.capabilities(hex("0008 00 00 ff ff 0000")));
  }

  @Test
  void cutListOfKeysIsNoShorterList() {
    assertThrows(
        MalformedReply.class,
        () -> PersistentReserve.keys(hex("00000007 00000010 0000000000000001")));
    assertThrows(MalformedReply.class, () -> PersistentReserve.keys(hex("00000007")));
    assertThrows(
        MalformedReply.class, () -> PersistentReserve.keys(hex("00000007 00000004 00000000")));
    assertThrows(
        MalformedReply.class,
        () -> PersistentReserve.reservation(hex("00000007 00000008 0000000000000001")));
  }

  @Test
  void nonsenseFromTargetIsRefusedAndNeverFails() {
    long seed = System.nanoTime();
    System.out.println("PersistentReserveTest: seed " + seed);
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    for (int i = 0; i < MUTATIONS; i++) {
      byte[] raw = new byte[random.nextInt(48)];
      random.nextBytes(raw);
      if (raw.length > 8 && random.nextBoolean()) {
        raw[4] = 0;
        raw[5] = 0;
        raw[6] = 0;
        raw[7] = (byte) random.nextInt(64);
      }
      Bytes data = Bytes.copyOf(raw);
      Sense.parse(data).text();
      try {
        PersistentReserve.capabilities(data);
        PersistentReserve.keys(data);
        PersistentReserve.reservation(data);
      } catch (MalformedReply e) {
        // What it is for.
      }
    }
  }

  @Test
  void senseIsReadInBothFormats() {
    Bytes fixed = hex("70 00 06 00000000 0a 00000000 29 00 00 000000");
    Bytes descriptor = hex("72 05 25 00 00000000");
    assertEquals(new Sense(Sense.UNIT_ATTENTION, 0x2900), Sense.parse(fixed));
    assertEquals(new Sense(Sense.ILLEGAL_REQUEST, 0x2500), Sense.parse(descriptor));
    assertEquals("illegal request: no such LUN", Sense.parse(descriptor).text());
    assertEquals(Sense.NONE, Sense.parse(hex("70 00 06")));
  }
}
