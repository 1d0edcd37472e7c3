package lockstep.cli.bench;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import lockstep.kvm.GuestMemory;
import lockstep.sys.SysException;

/**
 * What TCP itself can do on the path of a pair on this host (loopback, no delay): the peer of the
 * benchmarks. Blocking sockets and one thread at each end, so nothing stands between.
 */
final class TcpPeer {
  /** A frame of the log with one output, and its acknowledgement (docs/protocol.md). */
  private static final int PING_BYTES = 64;

  private static final int PONG_BYTES = 21;
  private static final int PIECE_BYTES = 1 << 18;
  private static final int PIECES = 1_024;

  private TcpPeer() {}

  private interface End {
    void run(Socket socket) throws IOException;
  }

  /** Runs one end here and the other on a thread of its own; both end with the first. */
  private static void connected(End there, End here) throws IOException, InterruptedException {
    try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Thread other =
          Thread.ofPlatform()
              .daemon()
              .name("bench-tcp")
              .start(
                  () -> {
                    try (Socket socket = server.accept()) {
                      socket.setTcpNoDelay(true);
                      there.run(socket);
                    } catch (IOException e) {
                      // The other end finds its connection closed, and says so.
                    }
                  });
      try (Socket socket = new Socket(server.getInetAddress(), server.getLocalPort())) {
        socket.setTcpNoDelay(true);
        here.run(socket);
      }
      other.join();
    }
  }

  /**
   * Round trips of a small message, one at a time.
   *
   * @param paceNanos between two
   * @return their median, ns
   */
  static long pingPongNanos(int rounds, long paceNanos) throws IOException, InterruptedException {
    long[] nanos = new long[rounds];
    connected(
        socket -> {
          DataInputStream in = new DataInputStream(socket.getInputStream());
          byte[] ping = new byte[PING_BYTES];
          byte[] pong = new byte[PONG_BYTES];
          try {
            while (true) {
              in.readFully(ping);
              socket.getOutputStream().write(pong);
            }
          } catch (EOFException e) {
            // That was the last.
          }
        },
        socket -> {
          DataInputStream in = new DataInputStream(socket.getInputStream());
          byte[] ping = new byte[PING_BYTES];
          byte[] pong = new byte[PONG_BYTES];
          for (int i = 0; i < rounds; i++) {
            long start = System.nanoTime();
            socket.getOutputStream().write(ping);
            in.readFully(pong);
            nanos[i] = System.nanoTime() - start;
            pause(paceNanos);
          }
        });
    Arrays.sort(nanos);
    return nanos[rounds / 2];
  }

  private static void pause(long nanos) throws IOException {
    try {
      TimeUnit.NANOSECONDS.sleep(nanos);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("told to end", e);
    }
  }

  /** Where the copying end puts what it has read. */
  private interface Place {
    void put(long at, byte[] piece, int count);
  }

  /** Copies that many bytes, and waits until the other end has them all; ns. */
  static long copyNanos(long bytes) throws IOException, InterruptedException {
    return copyNanos(bytes, (at, piece, count) -> {});
  }

  /** The same into memory that this process never had before, as a backup's guest's is. */
  static long copyToFreshMemoryNanos(long bytes)
      throws IOException, InterruptedException, SysException {
    long page = GuestMemory.PAGE_BYTES;
    long room = (bytes + page - 1) / page * page;
    try (GuestMemory memory = GuestMemory.allocate(room, room)) {
      memory.expectContent();
      return copyNanos(bytes, (at, piece, count) -> memory.write(at, piece, 0, count));
    }
  }

  private static long copyNanos(long bytes, Place into) throws IOException, InterruptedException {
    long[] nanos = new long[1];
    connected(
        socket -> {
          InputStream in = socket.getInputStream();
          byte[] piece = new byte[PIECE_BYTES];
          long done = 0;
          while (done < bytes) {
            int count = in.read(piece, 0, (int) Math.min(bytes - done, piece.length));
            if (count < 0) {
              return;
            }
            into.put(done, piece, count);
            done += count;
          }
          socket.getOutputStream().write(1);
        },
        socket -> {
          // As many pieces as the memory of a guest has: what is copied comes from memory.
          byte[][] pieces = new byte[(int) Math.min(PIECES, bytes / PIECE_BYTES + 1)][PIECE_BYTES];
          OutputStream out = socket.getOutputStream();
          long start = System.nanoTime();
          long left = bytes;
          for (int i = 0; left > 0; i++) {
            int count = (int) Math.min(left, PIECE_BYTES);
            out.write(pieces[i % pieces.length], 0, count);
            left -= count;
          }
          if (socket.getInputStream().read() != 1) {
            throw new IOException("the copy did not arrive");
          }
          nanos[0] = System.nanoTime() - start;
        });
    return nanos[0];
  }
}
