package lockstep.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import lockstep.monitor.input.ExternalInput.ConsoleBytes;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.state.Bytes;

/**
 * The guest's console for many: everything goes to this process's standard output and to every
 * terminal that is attached; what any of them types goes to the guest. One that does not read is
 * dropped, for the guest waits for nobody.
 */
final class ConsoleHub extends OutputStream {
  private static final int PIECES = 256;
  private static final int INPUT_BYTES = 64;

  private final OutputStream first;
  private final List<Client> clients = new CopyOnWriteArrayList<>();

  private static final class Client {
    private final ArrayBlockingQueue<byte[]> pieces = new ArrayBlockingQueue<>(PIECES);
    private volatile boolean gone;
  }

  /** A hub that writes to a stream first. */
  ConsoleHub(OutputStream first) {
    this.first = first;
  }

  @Override
  public void write(int value) throws IOException {
    write(new byte[] {(byte) value}, 0, 1);
  }

  @Override
  public void write(byte[] bytes, int offset, int length) throws IOException {
    if (!clients.isEmpty()) {
      byte[] piece = Arrays.copyOfRange(bytes, offset, offset + length);
      for (Client client : clients) {
        client.gone = client.gone || !client.pieces.offer(piece);
      }
      clients.removeIf(client -> client.gone);
    }
    first.write(bytes, offset, length);
  }

  @Override
  public void flush() throws IOException {
    first.flush();
  }

  /** Attaches a terminal; returns when it leaves or is dropped. */
  void attach(InputStream in, OutputStream out, InputQueue queue) throws IOException {
    Client client = new Client();
    clients.add(client);
    Thread writer = Thread.ofVirtual().start(() -> write(client, out));
    try {
      byte[] typed = new byte[INPUT_BYTES];
      int count = in.read(typed);
      while (count >= 0 && !client.gone) {
        // A full queue loses what was typed, as a UART does.
        boolean unused = count == 0 || queue.offer(new ConsoleBytes(Bytes.copyOf(typed, 0, count)));
        count = in.read(typed);
      }
    } finally {
      client.gone = true;
      clients.remove(client);
      writer.interrupt();
    }
  }

  private static void write(Client client, OutputStream out) {
    try {
      while (!client.gone) {
        byte[] piece = client.pieces.poll(1, TimeUnit.SECONDS);
        if (piece != null) {
          out.write(piece);
          out.flush();
        }
      }
      out.close();
    } catch (IOException e) {
      client.gone = true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
