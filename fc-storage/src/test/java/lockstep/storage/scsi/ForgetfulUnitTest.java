package lockstep.storage.scsi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.disk.Arbiter.Verdict;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.disk.Claimant.Side;
import lockstep.testing.ModelUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** One case each of what hosts do on a unit that forgets who has it. */
class ForgetfulUnitTest {
  private static final String VM = "00112233445566778899aabbccddeeff";
  private static final String OTHER_VM = "ffeeddccbbaa99887766554433221100";
  private static final Claimant PRIMARY = new Claimant(VM, 1, Side.PRIMARY);
  private static final Claimant BACKUP = new Claimant(VM, 1, Side.BACKUP);
  private static final Claimant STRANGER = new Claimant(OTHER_VM, 1, Side.PRIMARY);
  private static final int STEPS = 100_000;

  private final Random random = new Random(1);
  private final Turns turns = new Turns();
  private final List<String> written = new ArrayList<>();
  private final ModelUnit unit =
      new ModelUnit(ModelUnit.Kind.FORGETS, (by, block, data) -> written.add(by));

  @AfterEach
  void end() throws Exception {
    turns.end();
  }

  private ModelHost host(String name) {
    return new ModelHost(name, unit, turns, random);
  }

  private void until(BooleanSupplier what) throws InterruptedException {
    for (int i = 0; i < STEPS && !what.getAsBoolean(); i++) {
      List<Turns.Actor> ready = turns.ready();
      if (ready.isEmpty()) {
        turns.advanceToNext(host -> true);
      } else {
        turns.turn(ready.get(random.nextInt(ready.size())));
      }
    }
    assertTrue(what.getAsBoolean(), () -> "it never comes to that: " + unit);
  }

  private void pass(long seconds) throws InterruptedException {
    long until = turns.nowNanos() + TimeUnit.SECONDS.toNanos(seconds);
    until(() -> turns.nowNanos() > until);
  }

  private interface Asked<T> {
    T of() throws IOException;
  }

  /** Asks on a thread of a host, and waits for the answer; an error is one, too. */
  private <T> String ask(ModelHost of, Asked<T> question) throws InterruptedException {
    List<String> answer = new ArrayList<>();
    turns.add(
        of.name(),
        () -> {
          try {
            answer.add(String.valueOf(question.of()));
          } catch (IOException e) {
            answer.add(String.valueOf(e.getMessage()));
          }
        });
    until(() -> !answer.isEmpty());
    return answer.getFirst();
  }

  private String enter(ModelHost host, Claimant self) throws InterruptedException {
    return ask(
        host,
        () -> {
          host.arbiter().enter(self);
          return "entered";
        });
  }

  private String claim(ModelHost host, Claimant self) throws InterruptedException {
    return ask(host, () -> host.arbiter().claim(self).verdict());
  }

  private void pair(ModelHost a, ModelHost b) throws InterruptedException {
    assertEquals("entered", enter(a, PRIMARY));
    assertEquals("entered", enter(b, BACKUP));
    a.arbiter().contested(true);
  }

  @Test
  void thirdHostLooksForLifeOnAUnitThatHasForgotten() throws Exception {
    ModelHost a = host("a");
    ModelHost c = host("c");
    assertEquals("entered", enter(a, PRIMARY));
    unit.restart();
    String refused = enter(c, STRANGER);
    assertTrue(refused.contains("in use by another VM"), refused);
    assertEquals("a", unit.holder());
    assertEquals("entered", enter(a, PRIMARY), "the one that lives");
  }

  @Test
  void thirdHostIsRefusedWhileAPrimaryWaitsForItsBackup() throws Exception {
    ModelHost a = host("a");
    ModelHost b = host("b");
    ModelHost c = host("c");
    pair(a, b);
    b.reachable(false);
    unit.restart();
    until(() -> a.standing() == Standing.WAITS);
    String refused = enter(c, STRANGER);
    assertTrue(refused.contains("VM 001122..., epoch 1, primary, undecided"), refused);
    b.reachable(true);
    until(() -> a.standing() == Standing.HOLDS);
  }

  @Test
  void winnerReservesAgainAndTheOldPrimaryWaitsUntilItHasLost() throws Exception {
    ModelHost a = host("a");
    ModelHost b = host("b");
    pair(a, b);
    a.reachable(false);
    a.request(1);
    assertEquals(Verdict.WON.name(), claim(b, BACKUP));
    b.reachable(false);
    unit.restart();
    a.reachable(true);
    until(() -> a.standing() == Standing.WAITS);
    assertEquals(Verdict.UNKNOWN.name(), claim(a, PRIMARY));
    pass(30);
    assertEquals(1, a.unanswered(), "it may not fail while nobody knows");
    b.reachable(true);
    until(() -> a.standing() == Standing.LOST);
    assertEquals("b", unit.holder());
    assertEquals(Verdict.LOST.name(), claim(a, PRIMARY));
    assertEquals(1, a.refused());
    assertEquals(List.of(), written);
  }

  @Test
  void followersAndLosersResetNothing() throws Exception {
    ModelHost a = host("a");
    ModelHost b = host("b");
    pair(a, b);
    b.reachable(false);
    b.reachable(true);
    pass(2);
    assertEquals(0, unit.resets(), "a follower that is back");
    a.reachable(false);
    a.request(1);
    assertEquals(Verdict.WON.name(), claim(b, BACKUP));
    assertEquals(1, unit.resets(), "a backup that has won ends the loser's writes");
    a.reachable(true);
    until(() -> a.refused() == 1);
    assertEquals(1, unit.resets(), "a loser that is back");
    assertEquals(List.of(), written);
    unit.restart();
    pass(5);
    assertEquals("b", unit.holder());
  }

  @Test
  void sideThatHasGivenUpItsPartSendsNothingAgain() throws Exception {
    ModelHost b = host("b");
    ModelHost a = host("a");
    pair(a, b);
    assertEquals(
        "parted",
        ask(
            b,
            () -> {
              b.arbiter().part(BACKUP);
              return "parted";
            }));
    b.reachable(false);
    b.request(1);
    b.reachable(true);
    until(() -> b.refused() == 1);
    assertEquals(Standing.LOST, b.standing());
    assertEquals(0, unit.resets());
    assertEquals("entered", enter(b, BACKUP), "its next part");
  }

  /**
   * The kernel connects again by itself; only the registration that repeats itself finds it out.
   */
  private final class Device implements ScsiTransport {
    private ModelUnit.Connection kernel = unit.connect("a");

    @Override
    public ScsiReply execute(Bytes cdb, Bytes dataOut, int dataInBytes, int timeoutMillis)
        throws IOException {
      if (!kernel.isUp()) {
        kernel = unit.connect("a");
      }
      return kernel.execute(cdb, dataOut);
    }

    @Override
    public void resetUnit(int timeoutMillis) throws IOException {
      kernel.reset();
    }

    @Override
    public String name() {
      return "dev:/dev/sdx";
    }
  }

  @Test
  void deviceThatHasForgottenIsReservedAgain() throws Exception {
    ScsiArbiter a =
        new ScsiArbiter(new Device(), PersistentReserve.Type.WRITE_EXCLUSIVE, 5_000, turns.of("a"));
    turns.add("a", () -> a.enter(PRIMARY));
    until(() -> a.standing() == Standing.HOLDS);
    unit.restart();
    assertEquals("", unit.holder());
    until(() -> unit.holder().equals("a"));
    ModelHost b = host("b");
    assertEquals("entered", enter(b, BACKUP));
    a.contested(true);
    b.reachable(false);
    unit.restart();
    pass(10);
    assertEquals("", unit.holder(), "the backup may have won");
    assertEquals(Standing.WAITS, a.standing());
    b.reachable(true);
    until(() -> unit.holder().equals("a"));
    assertEquals(Standing.HOLDS, a.standing());
  }
}
