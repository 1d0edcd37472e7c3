package lockstep.cli.vm;

import java.io.Closeable;
import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.function.Consumer;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.HostPort;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;

/** {@code --metrics}, the same for every command that runs a VM. */
public final class MetricsOption {
  @Option(
      names = "--metrics",
      paramLabel = "[HOST:]PORT",
      converter = Address.class,
      description =
          "Answer HTTP requests for /metrics there, for Prometheus; without HOST on the loopback"
              + " interface. Port 0 takes a free one, which is printed.")
  private Optional<InetSocketAddress> address = Optional.empty();

  /** Only Picocli makes one. */
  public MetricsOption() {}

  /** An address whose host may be left out. */
  static final class Address implements ITypeConverter<InetSocketAddress> {
    /** Only Picocli makes one. */
    Address() {}

    @Override
    public InetSocketAddress convert(String text) {
      return new HostPort().convert(text.contains(":") ? text : "127.0.0.1:" + text);
    }
  }

  /**
   * Starts to answer, if the user wants it.
   *
   * @param notes is told where
   */
  public Closeable open(VmControl vm, Consumer<String> notes) throws CommandFailure {
    Optional<MetricsServer> server = MetricsServer.open(address, () -> Metrics.text(vm.status()));
    server.ifPresent(
        present ->
            notes.accept("metrics at http://" + HostPort.show(present.address()) + "/metrics"));
    return () -> server.ifPresent(MetricsServer::close);
  }
}
