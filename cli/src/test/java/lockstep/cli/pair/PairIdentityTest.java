package lockstep.cli.pair;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import lockstep.cli.common.CommandFailure;
import lockstep.monitor.state.Bytes;
import lockstep.replay.channel.PeerNetwork;
import lockstep.replay.channel.PeerSecurity;
import lockstep.replay.ft.peer.PeerLink;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.PeerMessage;
import lockstep.replay.log.LogHeader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The channel between two hosts, with the identities that {@code pair init} makes. */
class PairIdentityTest {
  private static final long LIMIT_MILLIS = 20_000;
  private static final PeerMessage HELLO =
      new PeerMessage.Hello(
          PeerMessage.VERSION,
          LogHeader.VERSION,
          "web",
          "00112233445566778899aabbccddeeff",
          1,
          Bytes.copyOf(new byte[32]),
          7,
          500);

  private final BlockingQueue<String> rejected = new LinkedBlockingQueue<>();

  @TempDir private Path directory = Path.of("");

  private void turnedAway(String who, String why) {
    rejected.add(why);
  }

  /** Keeps what comes in. */
  private static final class Inbox implements PeerLink.Listener {
    private final BlockingQueue<PeerMessage> messages = new LinkedBlockingQueue<>();

    @Override
    public void received(PeerMessage message) {
      messages.add(message);
    }

    @Override
    public void beat(FtEvent.Beat beat) {
      throw new AssertionError("a heartbeat, and nobody sends one");
    }

    @Override
    public void bytes() {
      // Parts of messages.
    }

    @Override
    public void frame(ByteBuffer frame) {
      throw new AssertionError("a frame, and nobody sends one");
    }

    @Override
    public void batchReceived() {
      // Nothing waits for it here.
    }

    @Override
    public void closed(boolean byPeer, String reason) {
      // Seen by what does not come.
    }
  }

  private static InetSocketAddress anyPort() {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
  }

  @Test
  void sidesOfAPairUnderstandEachOtherAndStrangersGetNothing() throws Exception {
    List<Path> ours = PairIdentity.make(directory.resolve("ours"));
    List<Path> others = PairIdentity.make(directory.resolve("others"));
    assertEquals(
        "rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(ours.get(0))));
    Inbox backup = new Inbox();
    try (PeerNetwork listening = new PeerNetwork(PairIdentity.read(ours.get(1)));
        PeerNetwork connecting = new PeerNetwork(PairIdentity.read(ours.get(0)));
        PeerNetwork stranger = new PeerNetwork(PairIdentity.read(others.get(0)));
        PeerNetwork plain = new PeerNetwork(PeerSecurity.none())) {
      InetSocketAddress at = listening.listen(anyPort(), link -> backup, this::turnedAway);
      PeerLink link = connecting.connect(at, LIMIT_MILLIS, new Inbox());
      link.send(HELLO);
      assertEquals(HELLO, backup.messages.poll(LIMIT_MILLIS, TimeUnit.MILLISECONDS));
      // With TLS 1.3 a client may only learn from silence that it was refused.
      try {
        stranger.connect(at, LIMIT_MILLIS, new Inbox()).send(HELLO);
      } catch (IOException e) {
        assertTrue(String.valueOf(e.getMessage()).contains("TLS"), e.toString());
      }
      plain.connect(at, LIMIT_MILLIS, new Inbox()).send(HELLO);
      link.send(new PeerMessage.Ready());
      assertEquals(
          new PeerMessage.Ready(), backup.messages.poll(LIMIT_MILLIS, TimeUnit.MILLISECONDS));
      assertTrue(backup.messages.isEmpty(), () -> "a stranger was heard: " + backup.messages);
      String why = rejected.poll(LIMIT_MILLIS, TimeUnit.MILLISECONDS);
      assertTrue(String.valueOf(why).contains("did not show that it is the other side"), why);
      link.close();
    }
  }

  /** Who has one host's file is not both hosts. */
  @Test
  void identityDoesNotTrustItself() throws Exception {
    Path one = PairIdentity.make(directory.resolve("ours")).get(0);
    try (PeerNetwork listening = new PeerNetwork(PairIdentity.read(one));
        PeerNetwork connecting = new PeerNetwork(PairIdentity.read(one))) {
      InetSocketAddress at = listening.listen(anyPort(), link -> new Inbox(), this::turnedAway);
      IOException refused =
          assertThrows(IOException.class, () -> connecting.connect(at, LIMIT_MILLIS, new Inbox()));
      assertTrue(
          String.valueOf(refused.getMessage()).contains("use the two files of one lockstep pair"),
          refused.toString());
    }
  }

  @Test
  void sideWithoutIdentityIsToldFromOneWithAnother() throws Exception {
    Path one = PairIdentity.make(directory.resolve("ours")).get(0);
    try (PeerNetwork listening = new PeerNetwork(PeerSecurity.none());
        PeerNetwork connecting = new PeerNetwork(PairIdentity.read(one))) {
      InetSocketAddress at = listening.listen(anyPort(), link -> new Inbox(), this::turnedAway);
      IOException refused =
          assertThrows(IOException.class, () -> connecting.connect(at, LIMIT_MILLIS, new Inbox()));
      assertTrue(
          String.valueOf(refused.getMessage()).contains("both sides need an --identity"),
          refused.toString());
    }
  }

  @Test
  void oneWhoSaysNothingHearsNothing() throws Exception {
    List<Path> ours = PairIdentity.make(directory.resolve("ours"));
    try (PeerNetwork listening = new PeerNetwork(PairIdentity.read(ours.get(1)))) {
      InetSocketAddress at = listening.listen(anyPort(), link -> new Inbox(), this::turnedAway);
      try (Socket socket = new Socket(at.getAddress(), at.getPort())) {
        socket.setSoTimeout(300);
        InputStream in = socket.getInputStream();
        assertThrows(SocketTimeoutException.class, in::read);
      }
    }
  }

  /** Somebody who may write there waits for the key with a link to a place of his own. */
  @Test
  void plantedLinkIsNotFollowedAndNothingIsLeftBehind() throws Exception {
    Path place = Files.createDirectory(directory.resolve("open"));
    Path victim = directory.resolve("elsewhere");
    Files.createSymbolicLink(place.resolve("two.p12"), victim);
    assertThrows(CommandFailure.class, () -> PairIdentity.make(place));
    assertFalse(Files.exists(victim), "the key went where the link leads");
    assertFalse(Files.exists(place.resolve("one.p12")));
  }

  /** A moment is enough to read a key, in a directory that others may enter. */
  @Test
  void keysAreNeverReadableByOthers() throws Exception {
    Path place = Files.createDirectory(directory.resolve("open"));
    Set<String> seen = new ConcurrentSkipListSet<>();
    AtomicBoolean over = new AtomicBoolean();
    Thread spy =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (!over.get()) {
                    look(place, seen);
                  }
                });
    try {
      PairIdentity.make(place);
    } finally {
      over.set(true);
      spy.join();
    }
    look(place, seen);
    assertEquals(Set.of("rw-------"), seen);
  }

  private static void look(Path place, Set<String> seen) {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(place)) {
      for (Path file : files) {
        seen.add(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
      }
    } catch (IOException e) {
      seen.add(e.toString());
    }
  }

  @Test
  void identityThatIsNoneIsRefusedByName() throws Exception {
    Path file = Files.writeString(directory.resolve("x.p12"), "nonsense");
    CommandFailure refused = assertThrows(CommandFailure.class, () -> PairIdentity.read(file));
    assertTrue(String.valueOf(refused.getMessage()).contains("x.p12"), refused.toString());
    assertThrows(CommandFailure.class, () -> PairIdentity.read(directory.resolve("missing.p12")));
  }
}
