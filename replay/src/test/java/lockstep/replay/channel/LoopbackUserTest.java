package lockstep.replay.channel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whose connection on the loopback interface it is; here always this process's own user's. */
class LoopbackUserTest {
  @ParameterizedTest
  @ValueSource(strings = {"127.0.0.1", "::1"})
  void ownConnectionIsFoundByEitherEnd(String address) throws Exception {
    InetAddress at = InetAddress.getByName(address);
    try (ServerSocket listening = new ServerSocket(0, 1, at);
        Socket calling = new Socket(at, listening.getLocalPort());
        Socket accepted = listening.accept()) {
      InetSocketAddress theirs = (InetSocketAddress) accepted.getRemoteSocketAddress();
      InetSocketAddress ours = (InetSocketAddress) accepted.getLocalSocketAddress();
      assertEquals(OptionalInt.of(LoopbackUser.self()), LoopbackUser.of(theirs, ours));
      assertEquals(OptionalInt.of(LoopbackUser.self()), LoopbackUser.of(ours, theirs));
      assertEquals(calling.getLocalPort(), theirs.getPort());
    }
  }

  @Test
  void connectionThatIsNoneHasNoUser() throws Exception {
    InetAddress at = InetAddress.getLoopbackAddress();
    assertEquals(
        OptionalInt.empty(),
        LoopbackUser.of(new InetSocketAddress(at, 1), new InetSocketAddress(at, 2)));
  }
}
