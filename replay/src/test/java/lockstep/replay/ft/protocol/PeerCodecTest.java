package lockstep.replay.ft.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.protocol.PeerMessage.Bye;
import lockstep.replay.ft.protocol.PeerMessage.Leaving;
import org.junit.jupiter.api.Test;

/**
 * A change of the golden file is a change of the protocol: {@link PeerMessage#VERSION} and the file
 * change together, and so the file's name.
 */
class PeerCodecTest {
  private static final String GOLDEN = "golden-v" + PeerMessage.VERSION + ".txt";

  /** So that a changed order of its bytes is seen. */
  private static final Bytes KEY =
      Bytes.filledBy(
          PeerMessage.KEY_BYTES,
          key -> {
            for (int i = 0; i < key.length; i++) {
              key[i] = (byte) (0xf0 + i);
            }
          });

  private static final List<PeerMessage> SAMPLES =
      List.of(
          new PeerMessage.Hello(
              PeerMessage.VERSION, 2, "wéb", "00112233445566778899aabbccddeeff", 3, KEY, 7000, 500),
          new PeerMessage.Welcome(7001),
          new PeerMessage.Refuse("no"),
          new PeerMessage.Frame(Bytes.copyOf(new byte[] {1, -2, 3})),
          new PeerMessage.Ready(),
          new PeerMessage.Begin(0x0102030405060708L),
          new PeerMessage.Ack(5, 4),
          new PeerMessage.Released(2, 6),
          new PeerMessage.Beat(9, 8),
          new Bye(Leaving.ENDED, "over"),
          new Bye(Leaving.DETACHED, ""),
          new Bye(Leaving.DIVERGED, "at 7"),
          new Bye(Leaving.FAILED, "no memory"),
          new Bye(Leaving.HANDOVER, "planned"));

  private static String name(PeerMessage message) {
    String kind = message.getClass().getSimpleName();
    return message instanceof Bye bye ? kind + "/" + bye.why() : kind;
  }

  private static List<String> golden() throws IOException {
    try (InputStream in = PeerCodecTest.class.getResourceAsStream(GOLDEN)) {
      assertNotNull(in, "a new version of the protocol needs " + GOLDEN);
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII).lines().toList();
    }
  }

  @Test
  void theBytesAreThoseOfTheGoldenFile() throws Exception {
    assertEquals(
        String.join("\n", golden()),
        SAMPLES.stream()
            .map(each -> name(each) + " " + HexFormat.of().formatHex(PeerCodec.encode(each)))
            .collect(Collectors.joining("\n")));
  }

  @Test
  void theGoldenFileIsReadAsTheSamples() throws Exception {
    assertEquals(
        SAMPLES,
        golden().stream()
            .map(line -> line.substring(line.indexOf(' ') + 1))
            .map(hex -> PeerCodec.decode(HexFormat.of().parseHex(hex)))
            .toList());
  }

  @Test
  void everyKindAndEveryReasonToLeaveHasItsSample() {
    assertEquals(
        Stream.of(PeerMessage.class.getPermittedSubclasses()).collect(Collectors.toSet()),
        SAMPLES.stream().map(Object::getClass).collect(Collectors.toSet()));
    assertEquals(
        Set.of(Leaving.values()),
        SAMPLES.stream()
            .filter(Bye.class::isInstance)
            .map(each -> ((Bye) each).why())
            .collect(Collectors.toSet()));
  }
}
