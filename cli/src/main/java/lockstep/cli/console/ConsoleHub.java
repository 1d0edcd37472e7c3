package lockstep.cli.console;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import lockstep.monitor.input.ExternalInput.ConsoleBytes;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.state.Bytes;

/**
 * The guest's console for many: everything goes to this process's standard output and to every
 * terminal that is attached; what any of them types goes to the guest. A terminal that does not
 * read is dropped, for the guest waits for none of them.
 */
public final class ConsoleHub extends OutputStream {
  /** What an attached terminal may be behind: many screens, and little to hold for each. */
  static final int BACKLOG_BYTES = 1 << 18;

  /** How long the last words may take to reach attached terminals when the VM has ended. */
  private static final long FINISH_MILLIS = 1_000;

  private static final long RETRY_MILLIS = 2;

  private final OutputStream first;
  private final List<Client> clients = new CopyOnWriteArrayList<>();

  /** One attached terminal: a ring of bytes between the guest's console and its socket. */
  private static final class Client {
    private final byte[] ring = new byte[BACKLOG_BYTES];
    private long put;
    private long taken;
    private long written;
    private boolean gone;

    /** Never waits: false when it has no room, and then it is dropped. */
    synchronized boolean offer(byte[] bytes, int offset, int length) {
      if (gone || length > BACKLOG_BYTES - (put - taken)) {
        gone = true;
      } else {
        for (int i = 0; i < length; i++) {
          ring[(int) (put++ % BACKLOG_BYTES)] = bytes[offset + i];
        }
      }
      notifyAll();
      return !gone;
    }

    /** Waits for bytes and takes them; empty when it is over. */
    private synchronized byte[] take() throws InterruptedException {
      written = taken;
      notifyAll();
      while (put == taken && !gone) {
        wait();
      }
      byte[] bytes = new byte[gone ? 0 : (int) (put - taken)];
      for (int i = 0; i < bytes.length; i++) {
        bytes[i] = ring[(int) (taken++ % BACKLOG_BYTES)];
      }
      return bytes;
    }

    synchronized void leave() {
      gone = true;
      notifyAll();
    }

    synchronized boolean isGone() {
      return gone;
    }

    synchronized void awaitWritten(long untilNanos) throws InterruptedException {
      long left = untilNanos - System.nanoTime();
      while (written != put && !gone && left > 0) {
        wait(1 + left / 1_000_000);
        left = untilNanos - System.nanoTime();
      }
    }

    void write(OutputStream out) {
      try (out) {
        byte[] bytes = take();
        while (bytes.length > 0) {
          out.write(bytes);
          out.flush();
          bytes = take();
        }
      } catch (IOException e) {
        leave();
      } catch (InterruptedException e) {
        leave();
        Thread.currentThread().interrupt();
      }
    }
  }

  /** A hub that writes to a stream first. */
  public ConsoleHub(OutputStream first) {
    this.first = first;
  }

  @Override
  public void write(int value) throws IOException {
    write(new byte[] {(byte) value}, 0, 1);
  }

  @Override
  public void write(byte[] bytes, int offset, int length) throws IOException {
    if (!clients.isEmpty()) {
      clients.removeIf(client -> !client.offer(bytes, offset, length));
    }
    first.write(bytes, offset, length);
  }

  @Override
  public void flush() throws IOException {
    first.flush();
  }

  /** How many terminals are attached. */
  public int attached() {
    return clients.size();
  }

  /**
   * Attaches a terminal; returns when it leaves or is dropped, and then {@code out} is closed. What
   * is typed while the guest takes no input waits in the connection.
   */
  public void attach(InputStream in, OutputStream out, InputQueue queue) throws IOException {
    Client client = new Client();
    clients.add(client);
    Thread writer = Thread.ofVirtual().start(() -> client.write(out));
    try {
      byte[] typed = new byte[ConsoleBytes.MAX_CONSOLE_BYTES];
      int count = in.read(typed);
      while (count >= 0 && !client.isGone()) {
        if (count > 0) {
          handOver(new ConsoleBytes(Bytes.copyOf(typed, 0, count)), queue, client);
        }
        count = in.read(typed);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      client.leave();
      clients.remove(client);
      writer.interrupt();
    }
  }

  private static void handOver(ConsoleBytes input, InputQueue queue, Client client)
      throws InterruptedException {
    while (!client.isGone() && !queue.offer(input)) {
      Thread.sleep(RETRY_MILLIS);
    }
  }

  /** The VM has ended: gives attached terminals a moment to take its last words. */
  public void finish() {
    long until = System.nanoTime() + FINISH_MILLIS * 1_000_000;
    try {
      for (Client client : clients) {
        client.awaitWritten(until);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
