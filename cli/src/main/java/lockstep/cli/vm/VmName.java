package lockstep.cli.vm;

import java.io.IOException;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.control.ControlDirectory;
import lockstep.cli.control.ControlServer;

/** The name by which a VM's user reaches it. */
public final class VmName {
  private VmName() {}

  /**
   * Opens a VM's control socket.
   *
   * @throws CommandFailure when the name cannot be one, or is taken
   */
  public static ControlServer listen(String name, ControlServer.Handler handler)
      throws CommandFailure {
    if (!ControlDirectory.isName(name)) {
      throw new CommandFailure(
          "'" + name + "' cannot name a VM", "give --name letters, digits, '.', '_' and '-'");
    }
    try {
      return new ControlServer(name, handler);
    } catch (IOException e) {
      throw new CommandFailure("control socket: " + e.getMessage(), "see lockstep ps", e);
    }
  }
}
