package lockstep.replay.ft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import lockstep.replay.ft.primary.LogStream;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.GateMode;
import lockstep.replay.ft.protocol.PeerMessage;
import lockstep.replay.ft.protocol.SessionFixture;
import lockstep.replay.ft.protocol.VitalSign;
import org.junit.jupiter.api.Test;

/** A node whose backup, or whose own thread, stands while everything is heard of. */
class StalledNodeTest {
  private static final InetSocketAddress THERE = InetSocketAddress.createUnresolved("there", 7);
  private static final long LIMIT_MILLIS = NodeFixture.TIMES.stallNanos() / 1_000_000;

  private static final class Sign implements VitalSign {
    private volatile boolean mayStand = true;

    @Override
    public String name() {
      return "the vCPU";
    }

    @Override
    public long moves() {
      return 0;
    }

    @Override
    public boolean mayStand() {
      return mayStand;
    }

    @Override
    public boolean waitsForPeer() {
      return true;
    }

    @Override
    public void nudge() {
      // It does not move.
    }
  }

  private final Sign sign = new Sign();

  private NodeFixture protectedPrimary() throws Exception {
    NodeFixture side =
        new NodeFixture(FtSession.primary("web", SessionFixture.VM, NodeFixture.TIMES), sign);
    side.node.protect(THERE);
    side.await(FtState.PAIRING);
    side.hear(new PeerMessage.Welcome(7));
    LogStream stream = side.stream();
    side.node.logBegins(stream);
    stream.frame(new byte[0], ByteBuffer.allocate(1), 42);
    side.hear(new PeerMessage.Ready());
    side.await(FtState.PROTECTED);
    return side;
  }

  @Test
  void backupWhoseReplayStandsIsGivenUp() throws Exception {
    try (NodeFixture side = protectedPrimary()) {
      side.pass(LIMIT_MILLIS - 100_000, new PeerMessage.Ack(42, 41));
      assertEquals(FtState.PROTECTED, side.node.status().state());
      side.pass(200_000, new PeerMessage.Ack(42, 41));
      assertEquals(FtState.CLAIMING, side.node.status().state());
      assertEquals(GateMode.CLOSED, side.gate.mode());
      assertTrue(
          side.sent().stream()
              .anyMatch(
                  said ->
                      said instanceof PeerMessage.Bye bye
                          && bye.why() == PeerMessage.Leaving.FAILED),
          side.sent().toString());
    }
  }

  /**
   * At a load of 36 for two processors an ordinary thread is late by 280 ms, and one with real-time
   * priority by 12. On an idle host the priority halves the console's throughput.
   */
  @Test
  void loopGoesFirstWhileThePairStandsOnABusyHostAndOnlyThen() throws Exception {
    try (NodeFixture side = protectedPrimary()) {
      side.lateTick();
      assertTrue(side.isUrgent(), "a tick was late");
      side.hear(new PeerMessage.Bye(PeerMessage.Leaving.DETACHED, "test"));
      side.await(FtState.ALONE);
      side.node.settle();
      assertFalse(side.isUrgent(), "while a state is copied others wait");
    }
  }

  @Test
  void backupWithNothingToReplayIsKept() throws Exception {
    try (NodeFixture side = protectedPrimary()) {
      side.pass(5 * LIMIT_MILLIS, new PeerMessage.Ack(42, 42));
      assertEquals(FtState.PROTECTED, side.node.status().state());
    }
  }

  @Test
  void sideWhoseOwnThreadStandsEndsItself() throws Exception {
    try (NodeFixture side = protectedPrimary()) {
      sign.mayStand = false;
      side.pass(LIMIT_MILLIS + 200_000, new PeerMessage.Ack(42, 42));
      assertEquals(FtState.HALTED, side.node.status().state());
      assertEquals(GateMode.DEAD, side.gate.mode());
      assertTrue(
          side.notes().getLast().startsWith("fail-stop: the vCPU has not advanced for"),
          side.notes().toString());
    }
  }
}
