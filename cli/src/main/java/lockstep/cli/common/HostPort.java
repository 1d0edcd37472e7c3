package lockstep.cli.common;

import java.net.InetSocketAddress;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** An address on the command line: {@code HOST:PORT}, with IPv6 addresses in brackets. */
public final class HostPort implements ITypeConverter<InetSocketAddress> {
  private static final int MAX_PORT = 65_535;

  /** Only Picocli makes one. */
  public HostPort() {}

  @Override
  public InetSocketAddress convert(String text) {
    int colon = text.lastIndexOf(':');
    try {
      int port = Integer.parseInt(text.substring(colon + 1));
      String host = text.substring(0, Math.max(colon, 0)).replaceAll("^\\[|]$", "");
      if (colon > 0 && port >= 0 && port <= MAX_PORT) {
        return new InetSocketAddress(host, port);
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw new TypeConversionException("'" + text + "' is no address such as 192.0.2.7:7000");
  }

  /** An address as a user would write it. */
  public static String show(InetSocketAddress address) {
    String host =
        address.getAddress() == null
            ? address.getHostString()
            : address.getAddress().getHostAddress();
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + address.getPort();
  }
}
