package lockstep.cli.control;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.SocketException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Speaks to a VM of this user. */
public final class ControlClient implements AutoCloseable {
  private final SocketChannel channel;
  private final InputStream in;
  private final OutputStream out;

  private ControlClient(SocketChannel channel) {
    this.channel = channel;
    this.in = Channels.newInputStream(channel);
    this.out = Channels.newOutputStream(channel);
  }

  /**
   * Connects.
   *
   * @throws IOException when no VM of that name runs here; one line
   */
  public static ControlClient connect(String name) throws IOException {
    Path path = ControlDirectory.socket(name);
    if (!ControlDirectory.isName(name) || !Files.exists(path)) {
      throw new IOException("no VM called " + name + " runs here");
    }
    try {
      return new ControlClient(SocketChannel.open(UnixDomainSocketAddress.of(path)));
    } catch (ConnectException e) {
      Files.deleteIfExists(path);
      throw new IOException("VM " + name + " has died", e);
    } catch (SocketException e) {
      throw new IOException("VM " + name + " does not answer: " + e.getMessage(), e);
    }
  }

  /** Whether a process listens under that name; the socket of a dead one is removed. */
  static boolean isAlive(String name) {
    try (ControlClient client = connect(name)) {
      return client.channel.isConnected();
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * Asks for something.
   *
   * @return the answer's fields
   * @throws IOException when it was refused; the message is the VM's
   */
  public Map<String, Object> ask(Map<String, ?> request) throws IOException {
    out.write((JSON.std.asString(request) + "\n").getBytes(StandardCharsets.UTF_8));
    out.flush();
    String line = ControlServer.readLine(in);
    if (line.isEmpty()) {
      throw new IOException("the VM ended before it answered");
    }
    Map<String, Object> answer = JSON.std.mapFrom(line);
    if (!Boolean.TRUE.equals(answer.get("ok"))) {
      throw new IOException(String.valueOf(answer.get("error")));
    }
    return answer;
  }

  /** What comes, after a console was asked for. */
  public InputStream in() {
    return in;
  }

  /** What goes, after a console was asked for. */
  public OutputStream out() {
    return out;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
