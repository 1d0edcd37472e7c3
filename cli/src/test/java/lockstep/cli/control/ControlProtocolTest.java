package lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The protocol of docs/control.md, byte by byte, with a VM that only says what it was asked. */
class ControlProtocolTest {
  private static final ControlServer.Handler ECHO =
      new ControlServer.Handler() {
        @Override
        public Map<String, Object> handle(Map<String, Object> request) throws IOException {
          return switch (String.valueOf(request.get("command"))) {
            case "status" -> Map.of("name", "web", "pid", 7, "asked", request);
            case "bug" -> throw new IllegalStateException("planted");
            default -> throw new IOException("no such command: " + request.get("command"));
          };
        }

        @Override
        public void console(InputStream in, OutputStream out) throws IOException {
          in.transferTo(out);
        }
      };

  private static String unique() {
    return "test-control-" + System.nanoTime();
  }

  /** A raw connection: what a shell script with socat has. */
  private record Raw(SocketChannel channel, InputStream in, OutputStream out)
      implements AutoCloseable {
    static Raw open(String name) throws IOException {
      SocketChannel channel =
          SocketChannel.open(UnixDomainSocketAddress.of(ControlDirectory.socket(name)));
      return new Raw(channel, Channels.newInputStream(channel), Channels.newOutputStream(channel));
    }

    String exchange(String line) throws IOException {
      out.write((line + "\n").getBytes(StandardCharsets.UTF_8));
      return ControlServer.readLine(in);
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }

  @Test
  void everyRequestIsALineAndEveryAnswerIsOne() throws Exception {
    String name = unique();
    try (ControlServer _ = new ControlServer(name, ECHO);
        Raw raw = Raw.open(name)) {
      Map<String, Object> status =
          JSON.std.mapFrom(raw.exchange("{\"command\":\"status\",\"x\":1}"));
      assertEquals(true, status.get("ok"));
      assertEquals(Map.of("command", "status", "x", 1), status.get("asked"));
      // Whatever comes, the connection goes on and the error is one line.
      for (String wrong :
          List.of(
              "{\"command\":\"fly\"}", "{\"command\":null}", "{}", "[1]", "7", "{", "nonsense")) {
        Map<String, Object> answer = JSON.std.mapFrom(raw.exchange(wrong));
        assertEquals(false, answer.get("ok"), wrong);
        assertFalse(String.valueOf(answer.get("error")).contains("\n"), wrong);
      }
      Map<String, Object> bug = JSON.std.mapFrom(raw.exchange("{\"command\":\"bug\"}"));
      assertTrue(String.valueOf(bug.get("error")).contains("bug of Lockstep"), bug.toString());
      assertEquals(true, JSON.std.mapFrom(raw.exchange("{\"command\":\"status\"}")).get("ok"));
    }
  }

  @Test
  void afterConsoleTheConnectionIsRawBothWaysAtOnce() throws Exception {
    String name = unique();
    try (ControlServer _ = new ControlServer(name, ECHO);
        Raw raw = Raw.open(name)) {
      assertEquals("{\"ok\":true}", raw.exchange("{\"command\":\"console\"}"));
      assertEquals("not json", raw.exchange("not json"));
    }
  }

  @Test
  void socketIsItsOwnersAlone() throws Exception {
    String name = unique();
    Path socket = ControlDirectory.socket(name);
    try (ControlServer _ = new ControlServer(name, ECHO)) {
      assertEquals(
          "rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)));
      assertEquals(
          "rwx------",
          PosixFilePermissions.toString(
              Files.getPosixFilePermissions(socket.toAbsolutePath().getParent())));
      IOException taken = assertThrows(IOException.class, () -> new ControlServer(name, ECHO));
      assertTrue(
          String.valueOf(taken.getMessage()).contains("runs here already"), taken.toString());
    }
    assertFalse(Files.exists(socket), "the socket outlived its VM");
  }

  @Test
  void endlessLineEndsItsConnectionAndNoOther() throws Exception {
    String name = unique();
    try (ControlServer _ = new ControlServer(name, ECHO);
        Raw raw = Raw.open(name)) {
      byte[] much = new byte[1 << 20];
      assertThrows(
          IOException.class,
          () -> {
            raw.out().write(much);
            if (raw.in().read() < 0) {
              throw new IOException("closed");
            }
          });
      try (ControlClient client = ControlClient.connect(name)) {
        assertEquals(7, client.ask(Map.of("command", "status")).get("pid"));
      }
    }
  }

  @Test
  void tooManyConnectionsAreRefusedAndThoseThatAreGoOn() throws Exception {
    String name = unique();
    List<Raw> all = new ArrayList<>();
    try (ControlServer _ = new ControlServer(name, ECHO)) {
      for (int i = 0; i < ControlServer.MAX_CONNECTIONS; i++) {
        Raw raw = Raw.open(name);
        all.add(raw);
        raw.exchange("{\"command\":\"status\"}");
      }
      IOException refused =
          assertThrows(
              IOException.class,
              () -> {
                try (ControlClient client = ControlClient.connect(name)) {
                  client.ask(Map.of("command", "status"));
                }
              });
      assertTrue(String.valueOf(refused.getMessage()).contains("ended"), refused.toString());
      assertTrue(all.getFirst().exchange("{\"command\":\"status\"}").contains("\"ok\":true"));
    } finally {
      for (Raw raw : all) {
        raw.close();
      }
    }
  }

  @Test
  void unknownDeadAndHungVmsAreOneLineEach() throws Exception {
    IOException unknown =
        assertThrows(IOException.class, () -> ControlClient.connect("no-such-vm"));
    assertEquals("no VM called no-such-vm runs here", unknown.getMessage());
    assertThrows(IOException.class, () -> ControlClient.connect("../escape"));

    String name = unique();
    Path socket = ControlDirectory.socket(name);
    try (ServerSocketChannel silent = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      silent.bind(UnixDomainSocketAddress.of(socket));
      try (ControlClient client = ControlClient.connect(name)) {
        IOException hung =
            assertThrows(IOException.class, () -> client.ask(Map.of("command", "status"), 1));
        assertEquals("the VM did not answer within 1 s", hung.getMessage());
      }
    }
    // Its process is dead, and the socket's file is still there.
    IOException dead = assertThrows(IOException.class, () -> ControlClient.connect(name));
    assertTrue(String.valueOf(dead.getMessage()).contains("has died"), dead.toString());
    assertFalse(Files.exists(socket), "the dead VM's socket was left");
  }

  @Test
  void vmThatEndsBeforeItsAnswerIsNoAnswer() throws Exception {
    String name = unique();
    ControlServer server = new ControlServer(name, ECHO);
    try (ControlClient client = ControlClient.connect(name)) {
      client.ask(Map.of("command", "status"));
      server.close();
      IOException ended =
          assertThrows(IOException.class, () -> client.ask(Map.of("command", "status")));
      assertEquals("the VM ended before it answered", ended.getMessage());
    }
  }
}
