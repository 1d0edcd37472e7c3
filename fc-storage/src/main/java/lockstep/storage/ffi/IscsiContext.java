package lockstep.storage.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Optional;
import lockstep.uapi.posix_h;
import org.jspecify.annotations.Nullable;

/**
 * One connection of libiscsi to one target: it is made, connected once, and thrown away when it
 * breaks. Every call returns at once; what has ended is taken with {@link #next} after {@link
 * #service}. One thread makes, uses and closes it.
 *
 * <p>Safe because every address that the library keeps is that of a slot's buffer, of this object's
 * arena, which closes after the native context is destroyed, or of a task, which is freed in its
 * one callback.
 */
public final class IscsiContext implements AutoCloseable {
  /** The slot by which {@link #connect} is known. */
  public static final int CONNECT = -1;

  /** The slot by which {@link #resetUnit} is known. */
  public static final int RESET = -2;

  /** The slot by which {@link #logout} is known. */
  public static final int LOGOUT = -3;

  /** A status of the library and not of a target: there was no answer. */
  public static final int NO_ANSWER = Libiscsi.SCSI_STATUS_ERROR;

  private static final int CHECK_CONDITION = 2;
  private static final int MAX_CDB_BYTES = 16;
  private static final int MAX_SENSE_BYTES = 256;
  private static final int MAX_ERROR_BYTES = 512;

  /**
   * Who logs in where.
   *
   * @param initiator this host's iSCSI name
   * @param isid 24 bits that, with the name, make the nexus; the same after a reconnect
   * @param target the target's iSCSI name
   * @param chap user and secret, if the target wants them
   */
  public record Login(String initiator, int isid, String target, Optional<Chap> chap) {}

  /**
   * CHAP's user and secret.
   *
   * @param secret as the target knows it
   */
  public record Chap(String user, String secret) {
    @Override
    public String toString() {
      return "Chap[" + user + "]";
    }
  }

  /**
   * How something ended.
   *
   * @param slot whose
   * @param status the target's status byte, {@link #NO_ANSWER}, or of a reset its response
   * @param missingBytes how much less data moved than was asked for
   * @param sense sense data as it came; empty unless the status is CHECK CONDITION
   */
  @SuppressWarnings("ArrayRecordComponent") // handed on, never compared
  public record Ended(int slot, int status, long missingBytes, byte[] sense) {}

  private static final byte[] NO_SENSE = {};

  private final Libiscsi lib;
  private final IscsiBuffers buffers;
  private final Arena arena = Arena.ofConfined();
  private final MemorySegment cdb;
  private final MemorySegment dataOut;
  private final MemorySegment callback;
  private final ArrayDeque<Ended> ended = new ArrayDeque<>();
  private final long context;
  private boolean closing;

  /**
   * Makes a context; nothing is sent yet.
   *
   * @param buffers where commands' data is
   * @throws IOException when the library is not here or refuses a name; one line
   */
  public IscsiContext(Login login, IscsiBuffers buffers) throws IOException {
    this.lib = Libiscsi.load();
    this.buffers = buffers;
    this.cdb = arena.allocate(MAX_CDB_BYTES);
    this.dataOut = arena.allocate(Libiscsi.DATA_BYTES, 8);
    this.callback = Libiscsi.callback(this, arena);
    try {
      this.context = (long) lib.createContext.invokeExact(arena.allocateFrom(login.initiator()));
    } catch (Throwable t) {
      throw unexpected(t);
    }
    if (context == 0) {
      arena.close();
      throw new IOException("libiscsi made no context: out of memory");
    }
    try {
      set(login);
    } catch (IOException e) {
      close();
      throw e;
    }
  }

  private void set(Login login) throws IOException {
    try {
      // Evaluated for their effect; each copies what it is given.
      int failed =
          (int) lib.setTargetname.invokeExact(context, arena.allocateFrom(login.target()))
              | (int) lib.setSessionType.invokeExact(context, Libiscsi.ISCSI_SESSION_NORMAL)
              | (int)
                  lib.setHeaderDigest.invokeExact(context, Libiscsi.ISCSI_HEADER_DIGEST_NONE_CRC32C)
              | (int) lib.setIsidRandom.invokeExact(context, login.isid(), 0);
      if (login.chap().isPresent()) {
        Chap chap = login.chap().get();
        failed |=
            (int)
                lib.setInitiatorUsernamePwd.invokeExact(
                    context, arena.allocateFrom(chap.user()), arena.allocateFrom(chap.secret()));
      }
      if (failed != 0) {
        throw new IOException("libiscsi refuses the login's names: " + error());
      }
      // Its own reconnect draws a new ISID, and with it makes another nexus.
      lib.setNoautoreconnect.invokeExact(context, 1);
    } catch (IOException e) {
      throw e;
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /**
   * Starts to connect and log in.
   *
   * @param portal {@code HOST:PORT}
   * @throws IOException when that fails at once; one line
   */
  public void connect(String portal) throws IOException {
    try {
      // LUN -1: the library's own TEST UNIT READY would eat unit attentions.
      if ((int)
              lib.fullConnectAsync.invokeExact(
                  context, arena.allocateFrom(portal), -1, callback, (long) CONNECT)
          != 0) {
        throw new IOException(error());
      }
    } catch (IOException e) {
      throw e;
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /**
   * Queues a command. Its data is in the slot's buffer, which belongs to the library until the
   * command has ended or this context is closed.
   *
   * @param out whether the data goes to the target
   * @param bytes how much data
   * @throws IOException when the connection does not take it
   */
  public void send(int slot, int lun, byte[] command, boolean out, int bytes) throws IOException {
    MemorySegment.copy(command, 0, cdb, JAVA_BYTE, 0, command.length);
    int direction =
        bytes == 0
            ? Libiscsi.SCSI_XFER_NONE
            : out ? Libiscsi.SCSI_XFER_WRITE : Libiscsi.SCSI_XFER_READ;
    try {
      long task = (long) lib.createTask.invokeExact(command.length, cdb, direction, bytes);
      if (task == 0) {
        throw new IOException("out of memory");
      }
      MemorySegment data = MemorySegment.NULL;
      boolean refused = false;
      if (bytes > 0 && out) {
        // The library copies this pair, not the data.
        dataOut.set(JAVA_LONG, Libiscsi.DATA_SIZE, bytes);
        dataOut.set(ADDRESS, Libiscsi.DATA_DATA, buffers.piece(slot));
        data = dataOut;
      } else if (bytes > 0) {
        refused = (int) lib.addDataInBuffer.invokeExact(task, bytes, buffers.piece(slot)) != 0;
      }
      refused =
          refused
              || (int) lib.commandAsync.invokeExact(context, lun, task, callback, data, (long) slot)
                  != 0;
      if (refused) {
        lib.freeTask.invokeExact(task);
        throw new IOException(error());
      }
    } catch (IOException e) {
      throw e;
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /**
   * Queues a LOGICAL UNIT RESET; the commands of this context end without an answer.
   *
   * @throws IOException when the connection does not take it
   */
  public void resetUnit(int lun) throws IOException {
    try {
      if ((int) lib.lunResetAsync.invokeExact(context, lun, callback, (long) RESET) != 0) {
        throw new IOException(error());
      }
    } catch (IOException e) {
      throw e;
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** Queues a logout; false when there is nobody to log out from. */
  public boolean logout() {
    try {
      return (int) lib.logoutAsync.invokeExact(context, callback, (long) LOGOUT) == 0;
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** The socket, or a negative number when there is none. */
  public int fd() {
    try {
      return (int) lib.getFd.invokeExact(context);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** What to poll the socket for. */
  public int events() {
    try {
      return (int) lib.whichEvents.invokeExact(context);
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /**
   * Whether something that was queued is not, or not wholly, with this host's kernel: the socket is
   * full, or the target takes no more commands now.
   */
  public boolean hasUnsent() {
    try {
      // The length leaves out the one that is being sent, for which the socket is waited for.
      return (int) lib.outQueueLength.invokeExact(context) > 0 || (events() & posix_h.POLLOUT) != 0;
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /**
   * Sends and receives what can be without waiting.
   *
   * @param events what poll has found
   * @return whether the connection still stands
   */
  public boolean service(int events) {
    try {
      return (int) lib.service.invokeExact(context, events) == 0 && fd() >= 0;
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** What has ended since; null when nothing more has. */
  public @Nullable Ended next() {
    return ended.poll();
  }

  /** What went wrong last, in the library's words. */
  @SuppressWarnings("restricted") // a string of the library's own, which it ends with a zero
  public String error() {
    try {
      long text = (long) lib.getError.invokeExact(context);
      if (text == 0) {
        return "no reason given";
      }
      String line =
          MemorySegment.ofAddress(text)
              .reinterpret(MAX_ERROR_BYTES)
              .getString(0, StandardCharsets.UTF_8)
              .strip();
      // What it says of a lost or refused connection, after the reason is overwritten.
      return line.isEmpty() || line.contains("Can not reconnect")
          ? "no connection: refused, or cut by the other side"
          : line;
    } catch (IndexOutOfBoundsException e) {
      return "a reason without an end";
    } catch (Throwable t) {
      throw unexpected(t);
    }
  }

  /** Called by the library, within {@link #service} and {@link #close}, on the same thread. */
  @SuppressWarnings("restricted") // a live task, of the size that the header audit has checked
  void called(long unused, int status, long data, long slot) {
    int of = (int) slot;
    if (of < 0) {
      int response =
          of == RESET && status == 0 && data != 0
              ? MemorySegment.ofAddress(data).reinterpret(Integer.BYTES).get(JAVA_INT, 0)
              : status;
      end(new Ended(of, response, 0, NO_SENSE));
      return;
    }
    long missing = 0;
    byte[] sense = NO_SENSE;
    if (data != 0) {
      MemorySegment task = MemorySegment.ofAddress(data).reinterpret(Libiscsi.TASK_BYTES);
      if (task.get(JAVA_INT, Libiscsi.TASK_RESIDUAL_STATUS) == Libiscsi.SCSI_RESIDUAL_UNDERFLOW) {
        missing = task.get(JAVA_LONG, Libiscsi.TASK_RESIDUAL);
      }
      int size = task.get(JAVA_INT, Libiscsi.TASK_DATAIN_SIZE);
      MemorySegment raw = task.get(ADDRESS, Libiscsi.TASK_DATAIN_DATA);
      // Two bytes of length, then sense data (RFC 7143, 11.4.7.2).
      if (status == CHECK_CONDITION && size > 2 && raw.address() != 0) {
        int bytes = Math.min(size, MAX_SENSE_BYTES);
        sense = raw.reinterpret(bytes).asSlice(2).toArray(JAVA_BYTE);
      }
      try {
        lib.freeTask.invokeExact(data);
      } catch (Throwable t) {
        sense = NO_SENSE;
      }
    }
    end(new Ended(of, status, missing, sense));
  }

  private void end(Ended one) {
    if (!closing) {
      ended.add(one);
    }
  }

  /** Cuts the connection; what has not ended never will. */
  @Override
  public void close() {
    closing = true;
    try {
      int unused = (int) lib.destroyContext.invokeExact(context);
    } catch (Throwable t) {
      throw unexpected(t);
    } finally {
      arena.close();
    }
  }

  private static AssertionError unexpected(Throwable t) {
    return new AssertionError("libiscsi does not throw", t);
  }
}
