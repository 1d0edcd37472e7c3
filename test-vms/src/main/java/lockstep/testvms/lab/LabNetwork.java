package lockstep.testvms.lab;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Locale;

/**
 * How one of two lab hosts is wired. By {@code eth0} it reaches this machine's loopback interface,
 * as {@link #THIS_MACHINE} (QEMU's user networking). {@code eth1} is a wire to the other host, and
 * nothing else is on it: QEMU carries each Ethernet frame as a datagram on the loopback interface.
 *
 * @param hostName what it calls itself
 * @param address its own on the wire
 * @param herePort where QEMU takes frames of the wire
 * @param therePort where the other host's QEMU takes them
 */
public record LabNetwork(String hostName, String address, int herePort, int therePort) {
  /** What can be pulled. */
  public enum Cable {
    /** The wire to the other host. */
    WIRE,
    /** The way to this machine. */
    OUT;

    /** What QEMU calls it. */
    String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** The address by which a lab host reaches services on this machine's loopback interface. */
  public static final String THIS_MACHINE = "10.0.2.2";

  /** What QEMU's user networking expects of its only host, by default. */
  private static final String ADDRESS_OUT = "10.0.2.15";

  private static final String WIRE_PREFIX = "10.77.0.";

  /** Two hosts and the wire between them. */
  public static List<LabNetwork> between(String one, String two) throws IOException {
    InetAddress loopback = InetAddress.getLoopbackAddress();
    try (DatagramSocket first = new DatagramSocket(new InetSocketAddress(loopback, 0));
        DatagramSocket second = new DatagramSocket(new InetSocketAddress(loopback, 0))) {
      int here = first.getLocalPort();
      int there = second.getLocalPort();
      return List.of(
          new LabNetwork(one, WIRE_PREFIX + 1, here, there),
          new LabNetwork(two, WIRE_PREFIX + 2, there, here));
    }
  }

  /** QEMU's options. The interfaces are in the order of their slots. */
  List<String> options() {
    String wire =
        "dgram,id=%s,local.type=inet,local.host=127.0.0.1,local.port=%d,"
            + "remote.type=inet,remote.host=127.0.0.1,remote.port=%d";
    return List.of(
        "-netdev",
        "user,id=%s,ipv6=off".formatted(Cable.OUT.label()),
        "-device",
        // Nothing is booted from the network, so its ROM is not needed.
        "virtio-net-pci,netdev=%s,addr=4,romfile=".formatted(Cable.OUT.label()),
        "-netdev",
        wire.formatted(Cable.WIRE.label(), herePort, therePort),
        "-device",
        "virtio-net-pci,netdev=%s,addr=5,romfile=,mac=52:54:00:77:00:%s"
            .formatted(Cable.WIRE.label(), address.equals(WIRE_PREFIX + 1) ? "01" : "02"));
  }

  /** What the host's init does for it: part of a shell script. */
  String script() {
    return """
    hostname %s &&
    modprobe -a virtio_pci virtio_net &&
    ip addr add %s/24 dev eth0 && ip link set eth0 up &&
    ip addr add %s/24 dev eth1 && ip link set eth1 up
    """
        .formatted(hostName, ADDRESS_OUT, address);
  }
}
