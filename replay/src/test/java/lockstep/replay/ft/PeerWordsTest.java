package lockstep.replay.ft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.List;
import lockstep.replay.ft.output.Output;
import lockstep.replay.ft.primary.LogStream;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.GateMode;
import lockstep.replay.ft.protocol.PeerMessage;
import lockstep.replay.ft.protocol.SessionFixture;
import org.junit.jupiter.api.Test;

/** What a node tells its peer, and does not believe of it: counts belong to one log only. */
class PeerWordsTest {
  private static final InetSocketAddress THERE = InetSocketAddress.createUnresolved("there", 7);

  private static NodeFixture primary() {
    return new NodeFixture(FtSession.primary("web", SessionFixture.VM, NodeFixture.TIMES));
  }

  private static List<PeerMessage> released(NodeFixture side) throws Exception {
    return side.sent().stream().filter(PeerMessage.Released.class::isInstance).toList();
  }

  /** A log begins, of so many entries. */
  private static void begin(NodeFixture side, long entries) throws Exception {
    side.hear(new PeerMessage.Welcome(7));
    LogStream stream = side.stream();
    side.node.logBegins(stream);
    stream.frame(new byte[0], ByteBuffer.allocate(1), entries);
  }

  /** The survivor would leave out as many bytes of the new log. */
  @Test
  void bytesOfAnEarlierLogAreNotToldToTheNextBackup() throws Exception {
    try (NodeFixture side = primary()) {
      side.node.protect(THERE);
      side.await(FtState.PAIRING);
      side.node.released(5);
      assertEquals(List.of(), released(side), "before Welcome");
      side.hear(new PeerMessage.Welcome(7));
      side.node.released(6);
      assertEquals(List.of(), released(side), "before the log");
      side.node.logBegins(side.stream());
      side.node.released(7);
      assertEquals(List.of(new PeerMessage.Released(1, 7)), released(side));

      side.node.post(new FtEvent.PairingFailed("test"));
      side.await(FtState.ALONE);
      side.node.protect(THERE);
      side.await(FtState.PAIRING);
      side.node.released(8);
      assertEquals(1, released(side).size(), "of the first log, to the second backup");
      begin(side, 1);
      side.node.released(9);
      assertEquals(new PeerMessage.Released(2, 9), released(side).getLast());
    }
  }

  /** Else both callers hear that the VM is protected, and one of the backups waits. */
  @Test
  void secondBackupAtTheSameMomentIsRefused() throws Exception {
    try (NodeFixture side = primary()) {
      side.node.protect(THERE);
      IOException refused = assertThrows(IOException.class, () -> side.node.protect(THERE));
      assertEquals("the VM is PAIRING, not alone", refused.getMessage());
    }
  }

  @Test
  void beginTellsHowFarTheLogIs() throws Exception {
    try (NodeFixture side = primary()) {
      side.node.protect(THERE);
      side.await(FtState.PAIRING);
      begin(side, 42);
      side.hear(new PeerMessage.Ready());
      assertTrue(side.sent().contains(new PeerMessage.Begin(42)), side.sent().toString());
    }
  }

  @Test
  void acknowledgementOfWhatWasNeverSentOpensNoGate() throws Exception {
    try (NodeFixture side = primary()) {
      side.node.protect(THERE);
      side.await(FtState.PAIRING);
      begin(side, 42);
      side.hear(new PeerMessage.Ready());
      side.hear(new PeerMessage.Ack(42, 41));
      assertEquals(GateMode.GATED, side.gate.mode());
      side.hear(new PeerMessage.Ack(43, 0));
      assertEquals(GateMode.CLOSED, side.gate.mode());
      assertTrue(
          side.notes().toString().contains("acknowledges 43 entries and has replayed 0, of 42"),
          side.notes().toString());
    }
  }

  private static NodeFixture backup() throws Exception {
    NodeFixture side = new NodeFixture(FtSession.backup(NodeFixture.TIMES));
    side.accept();
    PeerMessage.Hello hello = SessionFixture.hello(1);
    side.hear(
        new PeerMessage.Hello(
            hello.version(),
            hello.logVersion(),
            hello.name(),
            hello.vm(),
            1,
            hello.heartbeatKey(),
            7,
            NodeFixture.TIMES.silenceMillis()));
    side.node.post(new FtEvent.Restored());
    side.hear(new PeerMessage.Begin(0));
    side.await(FtState.FOLLOWING);
    return side;
  }

  /** It would leave out bytes that nobody has seen. */
  @Test
  void primaryThatHasShownMoreThanItsLogMakesIsNotTakenOver() throws Exception {
    try (NodeFixture side = backup()) {
      side.gate.put(new Output.Console('a'), 0);
      side.hear(new PeerMessage.Released(1, 2));
      side.node.post(new FtEvent.CaughtUp());
      side.await(FtState.WAITING);
      assertTrue(
          side.notes().toString().contains("has shown 2 console bytes, and its log makes 1"),
          side.notes().toString());
    }
  }

  @Test
  void primaryThatNeverSaysWhatItHasShownFillsNoMemory() throws Exception {
    try (NodeFixture side = backup()) {
      for (int i = 0; i < 9; i++) {
        side.gate.put(new Output.Console('a'), 0);
      }
      assertEquals(8, side.gate.waiting());
      side.node.post(new FtEvent.Tick());
      side.await(FtState.WAITING);
      assertTrue(
          side.sent().getLast() instanceof PeerMessage.Bye bye
              && bye.why() == PeerMessage.Leaving.FAILED,
          side.sent().toString());
    }
  }
}
