package lockstep.storage.iscsi;

import java.io.IOException;
import java.nio.ByteBuffer;
import lockstep.monitor.state.Bytes;
import lockstep.storage.scsi.ScsiReply;

/** One command on its way through a session; but for its first fields, of the loop thread. */
final class ScsiCommand {
  /** Told once, on the loop thread, how it ended. */
  interface Answer {
    /**
     * Whether it may reach the unit at this moment; asked each time that it is about to be sent.
     */
    boolean maySend();

    /** It is not sent, or not once more, because it may not be. */
    void notSent();

    /**
     * What the target sent, before {@link #replied}.
     *
     * @param data memory of the session, until {@link #replied} has returned
     * @return what the reply is to have of it
     */
    default Bytes found(ByteBuffer data) {
      return Bytes.copyOf(data);
    }

    /** The unit's answer. */
    void replied(ScsiReply reply);

    /** There is none; it may have been carried out. */
    void lost(IOException why);
  }

  /** An answer that another thread waits for. */
  static final class Awaited implements Answer {
    final Outcome<ScsiReply> outcome = new Outcome<>();

    @Override
    public boolean maySend() {
      return true;
    }

    @Override
    public void notSent() {
      throw new IllegalStateException("it may always be sent");
    }

    @Override
    public void replied(ScsiReply reply) {
      outcome.succeed(reply);
    }

    @Override
    public void lost(IOException why) {
      outcome.fail(why);
    }
  }

  /** The unit is to be reset instead. */
  static final Bytes RESET = Bytes.empty();

  final Bytes cdb;
  final Bytes out;
  final int inBytes;

  /** Sent again by the session until it has a final answer; others are answered as it comes. */
  final boolean patient;

  private final Answer answer;

  long deadlineNanos;
  long order;
  int attentions;
  long sentNanos;
  private boolean answered;

  ScsiCommand(
      Bytes cdb, Bytes out, int inBytes, boolean patient, long deadlineNanos, Answer answer) {
    this.cdb = cdb;
    this.out = out;
    this.inBytes = inBytes;
    this.patient = patient;
    this.deadlineNanos = deadlineNanos;
    this.answer = answer;
  }

  int dataBytes() {
    return Math.max(out.size(), inBytes);
  }

  boolean answered() {
    return answered;
  }

  /** Whether it may reach the unit at this moment. */
  boolean maySend() {
    return answer.maySend();
  }

  /** It may not be sent, and is not the session's any more. */
  void notSent() {
    if (!answered) {
      answered = true;
      answer.notSent();
    }
  }

  /** What the target sent, as the reply is to have it. */
  Bytes found(ByteBuffer data) {
    return answered ? Bytes.empty() : answer.found(data);
  }

  void replied(ScsiReply reply) {
    if (!answered) {
      answered = true;
      answer.replied(reply);
    }
  }

  void lost(IOException why) {
    if (!answered) {
      answered = true;
      answer.lost(why);
    }
  }
}
