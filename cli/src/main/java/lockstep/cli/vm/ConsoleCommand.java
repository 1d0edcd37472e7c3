package lockstep.cli.vm;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Map;
import java.util.concurrent.Callable;
import lockstep.cli.common.ExitCode;
import lockstep.cli.console.RawTerminal;
import lockstep.cli.control.ControlClient;
import lockstep.monitor.host.ConsoleKeys;
import lockstep.sys.StandardOutput;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code lockstep console}: attaches this terminal to a VM's console. */
@Command(
    name = "console",
    description = "Attach this terminal to a VM's console; more than one may be.",
    footerHeading =
        "%nOn a terminal, Ctrl-A x leaves and the VM goes on; Ctrl-A h shows the keys.%n%nExample:%n",
    footer = "  lockstep console web")
public final class ConsoleCommand implements Callable<Integer> {
  private static final String HELP =
      """
      Ctrl-A x       leave; the VM goes on
      Ctrl-A h       this help
      Ctrl-A Ctrl-A  send Ctrl-A to the guest
      """;

  private static final int BUFFER_BYTES = 1 << 12;

  @Parameters(paramLabel = "NAME", description = "The VM's name; lockstep ps shows all.")
  private String name = "";

  /** Only Picocli makes one. */
  ConsoleCommand() {}

  @Override
  public Integer call() throws Exception {
    try (ControlClient client = ControlClient.connect(name)) {
      client.ask(Map.of("command", "console"));
      try (RawTerminal terminal = RawTerminal.open()) {
        attach(client, terminal.isTerminal());
      }
      return ExitCode.DONE;
    } catch (IOException e) {
      throw VmCommands.failure(e);
    }
  }

  private static void attach(ControlClient client, boolean raw) throws IOException {
    Thread.ofPlatform().daemon().name("console-in").start(() -> type(client, raw));
    byte[] buffer = new byte[BUFFER_BYTES];
    InputStream in = client.in();
    OutputStream out = StandardOutput.stream();
    try {
      int count = in.read(buffer);
      while (count >= 0) {
        out.write(buffer, 0, count);
        out.flush();
        count = in.read(buffer);
      }
    } catch (java.nio.channels.ClosedChannelException e) {
      // The user has left.
    }
  }

  private static void type(ControlClient client, boolean raw) {
    ConsoleKeys keys = new ConsoleKeys(() -> leave(client), () -> {}, ConsoleCommand::showHelp);
    byte[] buffer = new byte[BUFFER_BYTES];
    try (InputStream in = new FileInputStream(FileDescriptor.in)) {
      int count = in.read(buffer);
      while (count >= 0) {
        int left = raw ? keys.filter(buffer, count) : count;
        client.out().write(buffer, 0, left);
        count = in.read(buffer);
      }
    } catch (IOException e) {
      // The VM has ended, which the other thread sees.
    }
  }

  private static void showHelp() {
    System.err.print("\r\n" + HELP.replace("\n", "\r\n"));
    System.err.flush();
  }

  private static void leave(ControlClient client) {
    try {
      client.close();
    } catch (IOException e) {
      // It is closed then.
    }
  }
}
