package lockstep.storage.iscsi;

import java.io.IOException;
import java.security.SecureRandom;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.state.Bytes;
import lockstep.storage.ffi.IscsiBuffers;
import lockstep.storage.ffi.IscsiContext;
import lockstep.storage.ffi.SocketWait;
import lockstep.storage.scsi.ScsiReply;
import lockstep.storage.scsi.ScsiTransport;
import lockstep.storage.scsi.Sense;
import lockstep.storage.scsi.Standing;

/**
 * What stays the same over the connections of one session: the initiator's name and ISID, by which
 * the unit knows it, and the memory of commands. Makes connections, with nothing else on them until
 * they have been greeted. Belongs to the session's thread.
 */
final class IscsiNexus implements AutoCloseable {
  private static final int LOGOUT_MILLIS = 1_000;
  private static final int POLL_MILLIS = 100;
  private static final int ISID_BITS = 24;

  private final IscsiAddress address;
  private final IscsiTimes times;
  private final SocketWait wait;
  private final IscsiContext.Login login;
  private final IscsiBuffers buffers;

  /** The slot of what is sent while nothing else is. */
  private final int aloneSlot;

  /**
   * Draws an ISID.
   *
   * @param wait its owner's, who closes it
   * @param slots commands in flight at most
   * @throws IOException when the address's files say nothing of use; one line
   */
  IscsiNexus(IscsiAddress address, IscsiTimes times, SocketWait wait, int slots)
      throws IOException {
    this.address = address;
    this.times = times;
    this.wait = wait;
    this.login = address.login(new SecureRandom().nextInt(1 << ISID_BITS));
    this.buffers = new IscsiBuffers(slots + 1);
    this.aloneSlot = slots;
  }

  /**
   * Makes a connection and logs in.
   *
   * @throws IOException when that fails; one line
   */
  IscsiContext connect() throws IOException {
    IscsiContext fresh = new IscsiContext(login, buffers);
    try {
      connect(fresh);
      if (pump(fresh, IscsiContext.CONNECT, times.loginMillis()).status() != 0) {
        throw new IOException(address.loginProblem(fresh.error()));
      }
      return fresh;
    } catch (IOException e) {
      fresh.close();
      throw e;
    }
  }

  /**
   * Greets over a connection with nothing else on it.
   *
   * @param reset whether the unit is to be reset if this host has the disk
   * @throws IOException when the connection is of no use any more; one line
   */
  Standing greet(IscsiContext on, Greeting greeting, boolean reset) throws IOException {
    Alone alone = new Alone(on);
    Standing found = greeting.greet(alone);
    // Any other host's reset would end the commands of the one that has the disk.
    if (found != Standing.HOLDS || !reset) {
      return found;
    }
    alone.resetUnit(times.answerMillis());
    // What came to an end with the reset may have changed it; this also takes what the unit tells
    // of its reset.
    return greeting.greet(alone);
  }

  private void connect(IscsiContext fresh) throws IOException {
    try {
      fresh.connect(address.portal());
    } catch (IOException e) {
      throw new IOException(address.loginProblem(String.valueOf(e.getMessage())), e);
    }
  }

  /** Logs out, if that is possible within a second. */
  void logout(IscsiContext from) throws IOException {
    if (from.logout()) {
      pump(from, IscsiContext.LOGOUT, LOGOUT_MILLIS);
    }
  }

  /** Queues a command, whose slot and its buffer are in use until it has ended. */
  void send(IscsiContext to, int slot, ScsiCommand command) throws IOException {
    int bytes = command.dataBytes();
    boolean out = command.out.size() > 0;
    if (bytes > 0) {
      var buffer = buffers.take(slot, bytes);
      if (out) {
        command.out.putInto(buffer);
      }
    }
    to.send(slot, address.lun(), command.cdb.toArray(), out, bytes);
  }

  /** What a command that has ended was answered; what it found is in its slot's buffer. */
  ScsiReply reply(ScsiCommand command, IscsiContext.Ended one) {
    Bytes data = Bytes.empty();
    if (one.status() == ScsiReply.GOOD && command.inBytes > 0 && command.out.size() == 0) {
      int bytes = (int) Math.max(0, command.inBytes - one.missingBytes());
      data = command.found(buffers.view(one.slot(), bytes));
    }
    return new ScsiReply(one.status(), Sense.parse(Bytes.copyOf(one.sense())), data);
  }

  /** Serves a connection with nothing else on it until one thing has ended. */
  private IscsiContext.Ended pump(IscsiContext on, int slot, int millis) throws IOException {
    long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    boolean alive = true;
    while (true) {
      for (IscsiContext.Ended one = on.next(); one != null; one = on.next()) {
        if (one.slot() == slot) {
          return one;
        }
      }
      if (!alive) {
        throw new IOException(on.error());
      }
      long left = until - System.nanoTime();
      if (left <= 0) {
        throw new IOException("no answer for " + millis + " ms");
      }
      int found =
          wait.await(
              on.fd(),
              on.events(),
              (int) Math.min(POLL_MILLIS, 1 + TimeUnit.NANOSECONDS.toMillis(left)));
      alive = on.service(found);
    }
  }

  /** A connection that nobody else uses yet; on the loop thread. */
  private final class Alone implements ScsiTransport {
    private final IscsiContext on;

    Alone(IscsiContext on) {
      this.on = on;
    }

    @Override
    public ScsiReply execute(Bytes cdb, Bytes dataOut, int dataInBytes, int timeoutMillis)
        throws IOException {
      ScsiCommand command = new ScsiCommand(cdb, dataOut, dataInBytes, false, 0, NOBODY);
      send(on, aloneSlot, command);
      IscsiContext.Ended one = pump(on, aloneSlot, timeoutMillis);
      if (one.status() > 0xff) {
        throw new IOException(on.error());
      }
      return reply(command, one);
    }

    @Override
    public void resetUnit(int timeoutMillis) throws IOException {
      on.resetUnit(address.lun());
      int response = pump(on, IscsiContext.RESET, timeoutMillis).status();
      if (response != 0) {
        throw new IOException("the unit is not reset (response " + response + ")");
      }
    }

    @Override
    public String name() {
      return address.toString();
    }
  }

  private static final ScsiCommand.Answer NOBODY =
      new ScsiCommand.Answer() {
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
          // Whoever asked has waited for it.
        }

        @Override
        public void lost(IOException why) {
          // As above.
        }
      };

  @Override
  public void close() {
    buffers.close();
  }
}
