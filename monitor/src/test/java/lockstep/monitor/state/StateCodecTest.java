package lockstep.monitor.state;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class StateCodecTest {
  enum Color implements WireEnum {
    RED(7),
    BLUE(3);

    private final int wire;

    Color(int wire) {
      this.wire = wire;
    }

    @Override
    public int wire() {
      return wire;
    }
  }

  record Inner(int number, boolean flag) implements DeviceState {
    Inner {
      if (number < 0) {
        throw new IllegalArgumentException("number " + number + " is negative");
      }
    }
  }

  record Outer(long big, Bytes bytes, Color color, Inner one, List<Inner> many)
      implements DeviceState {}

  record Wrong(String text) implements DeviceState {}

  private static Outer random(Random random) {
    byte[] bytes = new byte[random.nextInt(50)];
    random.nextBytes(bytes);
    List<Inner> many = new ArrayList<>();
    for (int i = random.nextInt(5); i > 0; i--) {
      many.add(new Inner(random.nextInt(Integer.MAX_VALUE), random.nextBoolean()));
    }
    return new Outer(
        random.nextLong(),
        Bytes.copyOf(bytes),
        random.nextBoolean() ? Color.RED : Color.BLUE,
        new Inner(5, random.nextBoolean()),
        many);
  }

  @Test
  void layoutIsPinned() {
    Outer state =
        new Outer(1, Bytes.copyOf(new byte[] {9}), Color.RED, new Inner(2, true), List.of());
    assertEquals(
        "0100000000000000" + "0100000009" + "07000000" + "0200000001" + "00000000",
        HexFormat.of().formatHex(StateCodec.encode(state)));
  }

  @Test
  void everyStateSurvivesTheRoundTrip() {
    long seed = System.nanoTime();
    System.out.println("StateCodecTest round trip seed " + seed);
    Random random = new Random(seed);
    for (int i = 0; i < 2000; i++) {
      Outer state = random(random);
      byte[] encoded = StateCodec.encode(state);
      Outer back = StateCodec.decode(Outer.class, encoded);
      assertEquals(state, back);
      assertArrayEquals(encoded, StateCodec.encode(back));
    }
  }

  @Test
  void hostileBytesGiveATypedFailureOrAState() {
    long seed = System.nanoTime();
    System.out.println("StateCodecTest hostile seed " + seed);
    Random random = new Random(seed);
    for (int i = 0; i < 20_000; i++) {
      byte[] encoded = StateCodec.encode(random(random));
      encoded[random.nextInt(encoded.length)] ^= (byte) (1 + random.nextInt(255));
      byte[] hostile = Arrays.copyOf(encoded, random.nextInt(encoded.length + 3));
      try {
        Outer state = StateCodec.decode(Outer.class, hostile);
        assertArrayEquals(hostile, StateCodec.encode(state), "one encoding for each state");
      } catch (IllegalArgumentException e) {
        assertTrue(String.valueOf(e.getMessage()).contains("Outer"), "says where: " + e);
      }
    }
  }

  @Test
  void failuresSayWhatAndWhere() {
    byte[] good = StateCodec.encode(new Inner(1, true));
    good[3] = (byte) 0x80;
    assertTrue(
        String.valueOf(
                assertThrows(
                        IllegalArgumentException.class, () -> StateCodec.decode(Inner.class, good))
                    .getMessage())
            .startsWith("Inner: number -"));
    byte[] huge = new byte[12];
    Arrays.fill(huge, 8, 12, (byte) 0x7f);
    assertEquals(
        "Outer.bytes at byte 8: length 2139062143, with 0 left",
        assertThrows(IllegalArgumentException.class, () -> StateCodec.decode(Outer.class, huge))
            .getMessage());
    assertThrows(IllegalArgumentException.class, () -> StateCodec.encode(new Wrong("x")));
    assertThrows(IllegalArgumentException.class, () -> StateCodec.decode(Wrong.class, new byte[4]));
  }
}
