package lockstep.replay.ft.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import lockstep.replay.ft.disk.Arbiter;
import org.junit.jupiter.api.Test;

/** A side whose write was refused by the disk says nothing more, and makes no end of the guest. */
class FencedSessionTest {
  private static final String VM = "00112233445566778899aabbccddeeff";

  private static FtSession protectedPrimary() {
    FtSession session = FtSession.primary("vm", VM, FtTimes.of(500));
    session.on(new FtEvent.Connected(), 0);
    session.on(new FtEvent.Message(new PeerMessage.Welcome(1)), 1);
    session.on(new FtEvent.LogBegan(), 1);
    session.on(new FtEvent.Message(new PeerMessage.Ready()), 2);
    assertEquals(FtState.PROTECTED, session.state());
    return session;
  }

  @Test
  void protectedPrimaryClosesItsGateForEverAndSaysNoBye() {
    FtSession session = protectedPrimary();
    List<FtAction> actions = session.on(new FtEvent.Fenced("reservation conflict"), 3);
    assertEquals(FtState.HALTED, session.state());
    assertTrue(actions.contains(new FtAction.Gate(GateMode.DEAD)), actions.toString());
    assertTrue(actions.contains(new FtAction.Halt("reservation conflict")), actions.toString());
    assertFalse(
        actions.stream()
            .anyMatch(
                action ->
                    action instanceof FtAction.Send send
                        && send.message() instanceof PeerMessage.Bye),
        actions.toString());
  }

  @Test
  void claimThatIsRuledLaterDoesNotWakeIt() {
    FtSession session = protectedPrimary();
    session.on(new FtEvent.Closed(true), 3);
    // Two seconds of ticks as a running side has them.
    for (long now = 10_000_000; now < 2_000_000_000; now += 10_000_000) {
      session.on(new FtEvent.Tick(), now);
    }
    assertEquals(FtState.CLAIMING, session.state());
    session.on(new FtEvent.Fenced("reservation conflict"), 10_000_000_001L);
    session.on(
        new FtEvent.Ruled(new Arbiter.Ruling(Arbiter.Verdict.WON, "too late")), 10_000_000_002L);
    assertEquals(FtState.HALTED, session.state());
    assertEquals(List.of(), session.on(new FtEvent.Fenced("again"), 10_000_000_003L));
  }
}
