package lockstep.replay.channel;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalInt;

/**
 * Which local user is at the other end of a connection on the loopback interface, from the kernel's
 * tables (proc_pid_net(5), {@code tcp} and {@code tcp6}). Plain connections have nothing else that
 * shows it.
 */
final class LoopbackUser {
  private static final List<Path> TABLES =
      List.of(Path.of("/proc/self/net/tcp"), Path.of("/proc/self/net/tcp6"));

  /** Places in a line: the two addresses, and the user. */
  private static final int LOCAL = 1;

  private static final int REMOTE = 2;
  private static final int UID = 7;
  private static final int HEX = 16;

  private LoopbackUser() {}

  /** This process's own user. */
  static int self() throws IOException {
    return (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid");
  }

  /**
   * The owner of the socket at the other end.
   *
   * @param theirs its address
   * @param ours the address at this end
   * @return empty when there is no such connection any more
   */
  static OptionalInt of(InetSocketAddress theirs, InetSocketAddress ours) throws IOException {
    for (Path table : TABLES) {
      try {
        for (String line : Files.readAllLines(table)) {
          String[] words = line.strip().split("\\s+", -1);
          if (words.length > UID
              && words[LOCAL].contains(":")
              && is(words[LOCAL], theirs)
              && is(words[REMOTE], ours)) {
            return OptionalInt.of(Integer.parseInt(words[UID]));
          }
        }
      } catch (NoSuchFileException e) {
        // A kernel without IPv6.
      }
    }
    return OptionalInt.empty();
  }

  /** An address as the table writes it: words of 4 bytes in the host's order, then the port. */
  private static boolean is(String text, InetSocketAddress address) throws IOException {
    int colon = text.lastIndexOf(':');
    if (Integer.parseInt(text.substring(colon + 1), HEX) != address.getPort()) {
      return false;
    }
    byte[] written = HexFormat.of().parseHex(text.substring(0, colon));
    ByteBuffer in = ByteBuffer.wrap(written);
    ByteBuffer out = ByteBuffer.allocate(written.length).order(ByteOrder.LITTLE_ENDIAN);
    while (in.hasRemaining()) {
      out.putInt(in.getInt());
    }
    // An IPv4 address inside an IPv6 one comes out as itself.
    return InetAddress.getByAddress(out.array()).equals(address.getAddress());
  }
}
