package lockstep.replay.ft.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HexFormat;
import java.util.List;
import lockstep.monitor.state.Bytes;
import org.junit.jupiter.api.Test;

/**
 * A change of these bytes is a change of the protocol: {@link PeerMessage#VERSION} goes with it.
 */
class PeerCodecTest {
  private static final String VM = "00112233445566778899aabbccddeeff";

  private static final List<PeerMessage> MESSAGES =
      List.of(
          new PeerMessage.Hello(
              PeerMessage.VERSION,
              2,
              "web",
              VM,
              3,
              Bytes.copyOf(new byte[PeerMessage.KEY_BYTES]),
              7000,
              500),
          new PeerMessage.Welcome(7001),
          new PeerMessage.Refuse("no"),
          new PeerMessage.Ready(),
          new PeerMessage.Begin(3),
          new PeerMessage.Ack(5, 4),
          new PeerMessage.Released(2, 6),
          new PeerMessage.Bye(PeerMessage.Leaving.HANDOVER, "planned"),
          new PeerMessage.Beat(9, 8));

  private static final List<String> BYTES =
      List.of(
          "01"
              + "03000000"
              + "02000000"
              + "0300776562"
              + "2000"
              + HexFormat.of().formatHex(VM.getBytes(java.nio.charset.StandardCharsets.US_ASCII))
              + "0300000000000000"
              + "2000"
              + "00".repeat(PeerMessage.KEY_BYTES)
              + "581b0000"
              + "f4010000",
          "02591b0000",
          "0302006e6f",
          "05",
          "060300000000000000",
          "0705000000000000000400000000000000",
          "0802000000000000000600000000000000",
          "09050700706c616e6e6564",
          "0a09000000000000000800000000000000");

  @Test
  void theBytesOfVersionThreeStayWhatTheyAre() {
    HexFormat hex = HexFormat.of();
    for (int i = 0; i < MESSAGES.size(); i++) {
      assertEquals(BYTES.get(i), hex.formatHex(PeerCodec.encode(MESSAGES.get(i))));
      assertEquals(MESSAGES.get(i), PeerCodec.decode(hex.parseHex(BYTES.get(i))));
    }
  }
}
