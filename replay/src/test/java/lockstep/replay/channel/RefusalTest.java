package lockstep.replay.channel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import lockstep.monitor.state.Bytes;
import lockstep.replay.ft.FtNode;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.output.OutputGate;
import lockstep.replay.ft.primary.LogStream;
import lockstep.replay.ft.protocol.FtEvent;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.protocol.FtTimes;
import lockstep.replay.ft.protocol.GateMode;
import lockstep.replay.ft.protocol.PeerCodec;
import lockstep.replay.ft.protocol.PeerMessage;
import lockstep.replay.ft.protocol.VitalSign;
import lockstep.replay.log.EntryFramer;
import lockstep.replay.log.FramePipe;
import lockstep.replay.log.LogHeader;
import lockstep.replay.log.LogReader;
import lockstep.sys.Scheduler;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What a backup answers on a real connection to those it does not go with: the reason by name, and
 * then nothing more; a primary in order is welcome afterwards.
 */
class RefusalTest {
  private static final String VM = "00112233445566778899aabbccddeeff";
  private static final int LIMIT_MILLIS = 20_000;

  /** Where the version stands: behind the length and the kind. */
  private static final int VERSION_AT = 1;

  /** Far more than all buffers on the way. */
  private static final int STATE_BYTES = 96 << 20;

  private static final int PIECE_BYTES = 1 << 20;

  private final PeerNetwork network = new PeerNetwork(PeerSecurity.none());
  private final NoDisk disk = new NoDisk();
  private final FtNode backup =
      new FtNode(
          Scheduler.HOST,
          network,
          disk,
          new OutputGate(GateMode.FREE, 16, Scheduler.HOST),
          FtSession.backup(FtTimes.of(LIMIT_MILLIS)),
          FtTimes.of(LIMIT_MILLIS));
  private InetSocketAddress at = new InetSocketAddress(0);

  private static final class NoDisk implements Arbiter {
    private final AtomicInteger claims = new AtomicInteger();

    @Override
    public void enter(Claimant self) {
      // Welcome.
    }

    @Override
    public Ruling claim(Claimant self) {
      claims.incrementAndGet();
      return new Ruling(Verdict.UNKNOWN, "no disk");
    }

    @Override
    public void part(Claimant self) {
      // As it likes.
    }

    @Override
    public void leave(Claimant self) {
      // As it likes.
    }

    @Override
    public void contested(boolean may) {
      // It does not forget.
    }

    @Override
    public void followed(long nanos) {
      // It does not forget.
    }

    @Override
    public boolean holds() {
      return true;
    }

    @Override
    public boolean fences() {
      return false;
    }

    @Override
    public void close() {
      // Nothing is open.
    }
  }

  /** Follows nobody, and says so where a CPU is missing. */
  private final class NoMachine implements FtNode.Vm {
    private String complaint = "";
    private final CompletableFuture<FramePipe> following = new CompletableFuture<>();
    private final BlockingQueue<String> notes = new LinkedBlockingQueue<>();

    @Override
    public void startLog(LogStream stream) {
      throw new IllegalStateException("a backup");
    }

    @Override
    public void cutLog() {
      throw new IllegalStateException("a backup");
    }

    @Override
    public void follow(Claimant self, FramePipe pipe) {
      following.complete(pipe);
      if (!complaint.isEmpty()) {
        backup.post(new FtEvent.PairingFailed(complaint));
      }
    }

    @Override
    public void endLog(boolean live) {
      // There is none.
    }

    @Override
    public void halt(String reason) {
      // It stands.
    }

    @Override
    public long replayed() {
      return 0;
    }

    @Override
    public List<VitalSign> vitalSigns() {
      return List.of();
    }

    @Override
    public void failStop(String reason) {
      throw new AssertionError(reason);
    }

    @Override
    public void note(String text) {
      notes.add(text);
    }
  }

  private final NoMachine machine = new NoMachine();

  @BeforeEach
  void listen() throws IOException {
    backup.attach(machine);
    at =
        network.listen(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
            backup::accept,
            backup::turnedAway);
  }

  @AfterEach
  void close() {
    backup.close();
    network.close();
  }

  /** One that connects, byte by byte as the protocol's document says. */
  private final class Caller implements AutoCloseable {
    private final Socket socket;
    private final DataInputStream in;
    private final DataOutputStream out;

    Caller() throws IOException {
      socket = new Socket(at.getAddress(), at.getPort());
      socket.setSoTimeout(LIMIT_MILLIS);
      in = new DataInputStream(socket.getInputStream());
      out = new DataOutputStream(socket.getOutputStream());
    }

    void say(byte[] message) throws IOException {
      out.writeInt(message.length);
      out.write(message);
    }

    PeerMessage hear() throws IOException {
      byte[] message = new byte[in.readInt()];
      in.readFully(message);
      return PeerCodec.decode(message);
    }

    /** Nothing but heartbeats, and then the end. */
    void hearsTheEnd() throws IOException {
      try {
        while (true) {
          assertInstanceOf(PeerMessage.Beat.class, hear());
        }
      } catch (EOFException | SocketException e) {
        // As it should be.
      }
    }

    @Override
    public void close() throws IOException {
      socket.close();
    }
  }

  private static byte[] hello(long epoch) {
    return hello(epoch, new byte[PeerMessage.KEY_BYTES], LIMIT_MILLIS);
  }

  private static byte[] hello(long epoch, byte[] key, int silenceMillis) {
    return PeerCodec.encode(
        new PeerMessage.Hello(
            PeerMessage.VERSION,
            LogHeader.VERSION,
            "web",
            VM,
            epoch,
            Bytes.copyOf(key),
            7,
            silenceMillis));
  }

  private void refused(byte[] message, String why) throws IOException {
    try (Caller caller = new Caller()) {
      caller.say(message);
      PeerMessage.Refuse refusal = assertInstanceOf(PeerMessage.Refuse.class, caller.hear());
      assertTrue(refusal.reason().contains(why), refusal.reason());
      caller.hearsTheEnd();
    }
  }

  private void welcome(long epoch) throws IOException {
    try (Caller caller = new Caller()) {
      caller.say(hello(epoch));
      assertInstanceOf(PeerMessage.Welcome.class, caller.hear());
      caller.say(
          PeerCodec.encode(new PeerMessage.Bye(PeerMessage.Leaving.DETACHED, "that was all")));
      while (!(caller.hear() instanceof PeerMessage.Refuse)) {
        // Heartbeats. A backup in the making says with Refuse that it is none any more.
      }
    }
    assertEquals(epoch, backup.status().epoch());
  }

  @Test
  void anotherVersionIsRefusedByName() throws Exception {
    byte[] later = hello(1);
    ByteBuffer.wrap(later)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(VERSION_AT, PeerMessage.VERSION + 1);
    refused(later, "version 4 of the protocol");
    String note = machine.notes.poll(LIMIT_MILLIS, TimeUnit.MILLISECONDS);
    assertTrue(String.valueOf(note).matches("turned 127.0.0.1:.* away: .*version 4 of .*"), note);
    welcome(1);
  }

  /** Its first entry of a kind that is not known here would end the log in the middle. */
  @Test
  void anotherVersionOfTheLogIsRefusedByName() throws Exception {
    byte[] later = hello(1);
    ByteBuffer.wrap(later)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(VERSION_AT + Integer.BYTES, LogHeader.VERSION + 1);
    refused(later, "a log of version " + (LogHeader.VERSION + 1));
    welcome(1);
  }

  @Test
  void keyThatIsNoneIsRefusedByName() throws IOException {
    refused(hello(1, new byte[0], LIMIT_MILLIS), "a heartbeat key of 0 bytes");
    welcome(1);
  }

  /** With a shorter one the backup would go on while the primary still speaks. */
  @Test
  void anotherFailureTimeoutIsRefusedByName() throws IOException {
    refused(
        hello(1, new byte[PeerMessage.KEY_BYTES], 5_000),
        "the failure time-out of VM web is 5000 ms, and 20000 ms here");
    welcome(1);
  }

  /** A backup that claims the disk without a machine takes the VM from everybody. */
  @Test
  void primaryThatBeginsBeforeThisSideIsReadyIsLeftAndTheDiskNotClaimed() throws IOException {
    try (Caller caller = new Caller()) {
      caller.say(hello(1));
      assertInstanceOf(PeerMessage.Welcome.class, caller.hear());
      caller.say(PeerCodec.encode(new PeerMessage.Begin(0)));
      PeerMessage answer = caller.hear();
      while (answer instanceof PeerMessage.Beat) {
        answer = caller.hear();
      }
      PeerMessage.Refuse refusal = assertInstanceOf(PeerMessage.Refuse.class, answer);
      assertTrue(refusal.reason().contains("before this side was ready"), refusal.reason());
      caller.hearsTheEnd();
    }
    welcome(2);
    assertEquals(0, disk.claims.get());
  }

  /** Twice as many as there is room for; none of them ever says anything. */
  @Test
  void silentStrangersKeepNoPrimaryOutAndAreTold() throws Exception {
    List<Caller> silent = new ArrayList<>();
    try {
      for (int i = 0; i < 64; i++) {
        silent.add(new Caller());
        if (i == 40) {
          welcome(1);
        }
      }
      welcome(2);
      silent.getFirst().hearsTheEnd();
    } finally {
      for (Caller caller : silent) {
        caller.close();
      }
    }
    String note = machine.notes.poll(LIMIT_MILLIS, TimeUnit.MILLISECONDS);
    assertTrue(
        String.valueOf(note).matches("turned 127.0.0.1:.* away: it said nothing, and others .*"),
        note);
  }

  /** A pair that stands is none of those who give way. */
  @Test
  void primaryThatHasSpokenStaysWhenStrangersCome() throws Exception {
    List<Caller> silent = new ArrayList<>();
    try (Caller primary = new Caller()) {
      primary.say(hello(1));
      assertInstanceOf(PeerMessage.Welcome.class, primary.hear());
      for (int i = 0; i < 40; i++) {
        silent.add(new Caller());
      }
      for (int i = 0; i < 20; i++) {
        silent.get(i).hearsTheEnd();
      }
      assertInstanceOf(PeerMessage.Beat.class, primary.hear());
    } finally {
      for (Caller caller : silent) {
        caller.close();
      }
    }
  }

  /** A rule of a firewall can name it. */
  @Test
  void heartbeatsAreHeardOnThePortThatIsListenedOn() throws IOException {
    try (Caller caller = new Caller()) {
      caller.say(hello(1));
      PeerMessage.Welcome welcome = assertInstanceOf(PeerMessage.Welcome.class, caller.hear());
      assertEquals(at.getPort(), welcome.heartbeatPort());
    }
  }

  @Test
  void strangerThatSaysNothingIsNotWaitedForForEver() throws IOException {
    try (PeerNetwork brief = new PeerNetwork(PeerSecurity.none(), 0, 100, Scheduler.HOST)) {
      at =
          brief.listen(
              new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
              backup::accept,
              backup::turnedAway);
      try (Caller silent = new Caller()) {
        silent.out.writeInt(100);
        silent.hearsTheEnd();
      }
    }
  }

  @Test
  void addressesThatCannotBeHadAreNamed() {
    IOException unknown =
        assertThrows(
            IOException.class,
            () ->
                network.listen(
                    InetSocketAddress.createUnresolved("nowhere.invalid", 7),
                    backup::accept,
                    backup::turnedAway));
    assertEquals(
        "listen on nowhere.invalid:7: no host of that name is known", unknown.getMessage());
    IOException taken =
        assertThrows(
            IOException.class, () -> network.listen(at, backup::accept, backup::turnedAway));
    assertEquals(
        "listen on 127.0.0.1:%d: the address is taken or not of this host".formatted(at.getPort()),
        taken.getMessage());
  }

  @Test
  void oldEpochsAndTheLastOneOnceMoreAreRefusedByName() throws IOException {
    welcome(3);
    refused(hello(2), "epoch 2 of VM web is over; the last one here was 3");
    refused(hello(3), "epoch 3 of VM web is over");
    welcome(4);
  }

  @Test
  void strangerWhoDoesNotBeginWithHelloIsRefused() throws IOException {
    refused(PeerCodec.encode(new PeerMessage.Begin(0)), "a pair begins with hello");
    refused(new byte[] {99}, "no kind of message 99");
    welcome(1);
  }

  @Test
  void secondPrimaryIsToldThatThisSideIsBusyAndTheFirstOneNotices() throws IOException {
    try (Caller first = new Caller()) {
      first.say(hello(1));
      assertInstanceOf(PeerMessage.Welcome.class, first.hear());
      refused(hello(2), "busy: RECEIVING with VM web");
      assertInstanceOf(PeerMessage.Beat.class, first.hear());
    }
  }

  @Test
  void hostWhoseCpuLacksSomethingSaysWhat() throws IOException {
    machine.complaint = "the VM needs CPU feature avx512f, which this host lacks";
    try (Caller caller = new Caller()) {
      caller.say(hello(1));
      assertInstanceOf(PeerMessage.Welcome.class, caller.hear());
      PeerMessage.Refuse refusal = assertInstanceOf(PeerMessage.Refuse.class, caller.hear());
      assertEquals(machine.complaint, refusal.reason());
      caller.hearsTheEnd();
    }
  }

  /** Neither end drops anything: the sender waits, and all arrives once there is room. */
  @Test
  void backupWithoutRoomLetsThePrimaryWaitAndLosesNothing() throws Exception {
    try (Caller caller = new Caller()) {
      caller.say(hello(1));
      assertInstanceOf(PeerMessage.Welcome.class, caller.hear());
      FramePipe pipe = machine.following.get(LIMIT_MILLIS, TimeUnit.MILLISECONDS);
      AtomicLong sent = new AtomicLong();
      Thread sender =
          Thread.ofPlatform()
              .start(
                  () -> {
                    EntryFramer framer =
                        new EntryFramer(
                            (header, body, _) -> {
                              PeerMessage.Frame frame = PeerMessage.Frame.of(header, body);
                              caller.say(PeerCodec.encode(frame));
                              sent.addAndGet(frame.frame().size());
                            });
                    try (OutputStream state = framer.stateStream()) {
                      for (int i = 0; i < STATE_BYTES / PIECE_BYTES; i++) {
                        state.write(piece(i));
                      }
                    } catch (IOException e) {
                      // The test finds that bytes are missing.
                    }
                  });
      long before = -1;
      while (sent.get() > before) {
        before = sent.get();
        Thread.sleep(500);
      }
      assertTrue(before < STATE_BYTES, "all was taken: nothing is bounded");
      try (LogReader log = LogReader.follow(pipe);
          InputStream state = log.stateStream()) {
        for (int i = 0; i < STATE_BYTES / PIECE_BYTES; i++) {
          assertArrayEquals(piece(i), state.readNBytes(PIECE_BYTES), "piece " + i);
        }
      }
      sender.join(LIMIT_MILLIS);
    }
  }

  private static byte[] piece(int number) {
    byte[] piece = new byte[PIECE_BYTES];
    Arrays.fill(piece, (byte) number);
    return piece;
  }

  /** A message may say that it is long; it is not believed, and nothing is kept for it. */
  @Test
  void tooLongAMessageEndsTheConnection() throws IOException {
    try (Caller caller = new Caller()) {
      caller.out.writeInt(Integer.MAX_VALUE);
      caller.hearsTheEnd();
    }
    welcome(1);
  }
}
