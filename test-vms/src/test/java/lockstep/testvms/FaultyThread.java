package lockstep.testvms;

import com.sun.jdi.Bootstrap;
import com.sun.jdi.ObjectReference;
import com.sun.jdi.ReferenceType;
import com.sun.jdi.ThreadReference;
import com.sun.jdi.VMDisconnectedException;
import com.sun.jdi.VirtualMachine;
import com.sun.jdi.connect.AttachingConnector;
import com.sun.jdi.connect.Connector;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A program: throws an Error in a thread of another JVM, wherever that thread is, through its debug
 * port. A process of its own, because the port is in the network namespace of a host.
 */
final class FaultyThread {
  private FaultyThread() {}

  private static Connector.Argument argument(Map<String, Connector.Argument> all, String name) {
    return Objects.requireNonNull(all.get(name), name);
  }

  /** The arguments are the port and the thread's name. */
  public static void main(String[] args) throws Exception {
    AttachingConnector connector =
        Bootstrap.virtualMachineManager().attachingConnectors().stream()
            .filter(found -> found.name().equals("com.sun.jdi.SocketAttach"))
            .findFirst()
            .orElseThrow();
    Map<String, Connector.Argument> arguments = connector.defaultArguments();
    argument(arguments, "hostname").setValue("127.0.0.1");
    argument(arguments, "port").setValue(args[0]);
    VirtualMachine vm = connector.attach(arguments);
    try {
      ThreadReference thread =
          vm.allThreads().stream()
              .filter(found -> found.name().equals(args[1]))
              .findFirst()
              .orElseThrow(() -> new IllegalStateException("no thread " + args[1]));
      stop(thread, anError(vm));
    } finally {
      leave(vm);
    }
  }

  private static void stop(ThreadReference thread, ObjectReference error) throws Exception {
    try {
      thread.stop(error);
    } catch (VMDisconnectedException e) {
      // The process has ended of it before its debug port could answer.
    }
  }

  private static void leave(VirtualMachine vm) {
    try {
      vm.dispose();
    } catch (VMDisconnectedException e) {
      // It has ended already, as it should of an Error.
    }
  }

  /** The JVM keeps some for the case that no memory is left to make one. */
  private static ObjectReference anError(VirtualMachine vm) {
    for (ReferenceType type : vm.classesByName("java.lang.OutOfMemoryError")) {
      List<ObjectReference> errors = type.instances(1);
      if (!errors.isEmpty()) {
        return errors.getFirst();
      }
    }
    throw new IllegalStateException("no OutOfMemoryError is there");
  }
}
