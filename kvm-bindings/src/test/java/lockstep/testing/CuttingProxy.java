package lockstep.testing;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** A piece of network between an initiator and a target that can be cut at any moment. */
public final class CuttingProxy implements AutoCloseable {
  private final ServerSocket server;
  private final int to;
  private final List<Socket> open = new CopyOnWriteArrayList<>();
  private volatile boolean blocked;

  /** One to a port of this host; it listens at once. */
  public CuttingProxy(int to) throws IOException {
    this.to = to;
    server = new ServerSocket(0, 16, InetAddress.getLoopbackAddress());
    Thread.ofPlatform().daemon().name("proxy-accept").start(this::accept);
  }

  /** Where it listens. */
  public int port() {
    return server.getLocalPort();
  }

  private void accept() {
    try {
      while (true) {
        Socket near = server.accept();
        if (blocked) {
          near.close();
          continue;
        }
        connect(near);
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private void connect(Socket near) throws IOException {
    Socket far;
    try {
      far = new Socket(InetAddress.getLoopbackAddress(), to);
    } catch (IOException e) {
      // Nobody listens there now: the next one may be luckier.
      near.close();
      return;
    }
    synchronized (this) {
      if (!server.isClosed() && !blocked) {
        open.add(near);
        open.add(far);
        Thread.ofPlatform().daemon().name("proxy-out").start(() -> carry(near, far));
        Thread.ofPlatform().daemon().name("proxy-in").start(() -> carry(far, near));
        return;
      }
    }
    near.close();
    far.close();
  }

  private static void carry(Socket from, Socket into) {
    byte[] buffer = new byte[1 << 12];
    try (from;
        into) {
      InputStream in = from.getInputStream();
      OutputStream out = into.getOutputStream();
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        out.write(buffer, 0, count);
      }
    } catch (IOException e) {
      // Cut.
    }
  }

  /** Cuts what is connected; new connections are let through, or refused. */
  public synchronized void cut(boolean refuseNew) throws IOException {
    blocked = refuseNew;
    for (Socket socket : open) {
      socket.close();
    }
    open.clear();
  }

  @Override
  public void close() throws IOException {
    server.close();
    cut(true);
  }
}
