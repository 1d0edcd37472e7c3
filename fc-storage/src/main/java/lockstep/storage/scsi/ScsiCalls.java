package lockstep.storage.scsi;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.state.Bytes;
import lockstep.sys.Scheduler;

/** Commands whose answer is waited for; what a unit only puts off is asked again. */
final class ScsiCalls {
  private static final int TRIES = 24;
  private static final int PAUSE_MILLIS = 5;

  private final ScsiTransport unit;
  private final int timeoutMillis;
  private final Scheduler time;

  /**
   * @param timeoutMillis for each command
   */
  ScsiCalls(ScsiTransport unit, int timeoutMillis) {
    this(unit, timeoutMillis, Scheduler.HOST);
  }

  /**
   * @param time in which a unit that is busy is waited for
   */
  ScsiCalls(ScsiTransport unit, int timeoutMillis, Scheduler time) {
    this.unit = unit;
    this.timeoutMillis = timeoutMillis;
    this.time = time;
  }

  /**
   * One command; a refusal for the time being, which leaves it undone, is overcome.
   *
   * @throws IOException when there is no answer: it may have been carried out
   */
  ScsiReply call(Bytes cdb, Bytes out, int inBytes) throws IOException {
    ScsiReply reply = unit.execute(cdb, out, inBytes, timeoutMillis);
    for (int i = 1; i < TRIES && reply.temporary(); i++) {
      if (!reply.attention()) {
        pause(time, PAUSE_MILLIS);
      }
      reply = unit.execute(cdb, out, inBytes, timeoutMillis);
    }
    return reply;
  }

  /**
   * The data of a command that must succeed.
   *
   * @throws IOException when it does not; one line
   */
  Bytes data(String name, Bytes cdb, int inBytes) throws IOException {
    ScsiReply reply = call(cdb, Bytes.empty(), inBytes);
    if (!reply.good()) {
      throw new IOException("%s: %s: %s".formatted(unit.name(), name, reply.text()));
    }
    return reply.data();
  }

  /**
   * Lets time pass.
   *
   * @throws InterruptedIOException when the thread is told to end; it stays interrupted
   */
  static void pause(Scheduler time, long millis) throws IOException {
    try {
      time.sleep(TimeUnit.MILLISECONDS.toNanos(millis));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted");
    }
  }
}
