package lockstep.testvms.lab;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * How a lab host is wired. By {@code eth0} it reaches this machine's loopback interface, as {@link
 * #THIS_MACHINE} (QEMU's user networking); of a server, this machine forwards a port there to the
 * host. {@code eth1}, of two hosts that are wired together, is a wire to the other one, and nothing
 * else is on it: QEMU carries each Ethernet frame as a datagram on the loopback interface.
 *
 * @param hostName what it calls itself
 * @param wire to another host
 * @param served which port of this machine's loopback interface leads to {@link #NFS_PORT} there
 */
public record LabNetwork(String hostName, Optional<Wire> wire, OptionalInt served) {
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

  /**
   * One end of a wire.
   *
   * @param address the host's own on the wire
   * @param herePort where QEMU takes frames of the wire
   * @param therePort where the other host's QEMU takes them
   */
  public record Wire(String address, int herePort, int therePort) {}

  /** The address by which a lab host reaches services on this machine's loopback interface. */
  public static final String THIS_MACHINE = "10.0.2.2";

  /** Where a server of NFS version 4 listens (RFC 7530, section 3.1). */
  private static final int NFS_PORT = 2049;

  /** What QEMU's user networking expects of its only host, by default. */
  static final String ADDRESS_OUT = "10.0.2.15";

  private static final String WIRE_PREFIX = "10.77.0.";

  /** Two hosts and the wire between them. */
  public static List<LabNetwork> between(String one, String two) throws IOException {
    InetAddress loopback = InetAddress.getLoopbackAddress();
    try (DatagramSocket first = new DatagramSocket(new InetSocketAddress(loopback, 0));
        DatagramSocket second = new DatagramSocket(new InetSocketAddress(loopback, 0))) {
      int here = first.getLocalPort();
      int there = second.getLocalPort();
      return List.of(
          wired(one, new Wire(WIRE_PREFIX + 1, here, there)),
          wired(two, new Wire(WIRE_PREFIX + 2, there, here)));
    }
  }

  private static LabNetwork wired(String hostName, Wire wire) {
    return new LabNetwork(hostName, Optional.of(wire), OptionalInt.empty());
  }

  /** A host that serves NFS to other lab hosts, by way of this machine. */
  public static LabNetwork nfsServer(String hostName) throws IOException {
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return new LabNetwork(hostName, Optional.empty(), OptionalInt.of(free.getLocalPort()));
    }
  }

  /**
   * The address on the wire.
   *
   * @throws java.util.NoSuchElementException for a host without a wire
   */
  public String address() {
    return wire.orElseThrow().address();
  }

  /** QEMU's options. The interfaces are in the order of their slots. */
  List<String> options() {
    String out = "user,id=%s,ipv6=off".formatted(Cable.OUT.label());
    if (served.isPresent()) {
      out += ",hostfwd=tcp:127.0.0.1:%d-:%d".formatted(served.getAsInt(), NFS_PORT);
    }
    // Nothing is booted from the network, so its ROM is not needed.
    String device = "virtio-net-pci,netdev=%s,addr=%d,romfile=";
    List<String> options = new ArrayList<>(List.of("-netdev", out));
    options.addAll(List.of("-device", device.formatted(Cable.OUT.label(), 4)));
    wire.ifPresent(
        end -> {
          String wired =
              "dgram,id=%s,local.type=inet,local.host=127.0.0.1,local.port=%d,"
                  + "remote.type=inet,remote.host=127.0.0.1,remote.port=%d";
          options.add("-netdev");
          options.add(wired.formatted(Cable.WIRE.label(), end.herePort(), end.therePort()));
          options.add("-device");
          options.add(
              device.formatted(Cable.WIRE.label(), 5)
                  + ",mac=52:54:00:77:00:"
                  + (end.address().equals(WIRE_PREFIX + 1) ? "01" : "02"));
        });
    return options;
  }

  /** What the host's init does for it: part of a shell script. */
  String script() {
    String out =
        """
        hostname %s &&
        modprobe -a virtio_pci virtio_net &&
        ip addr add %s/24 dev eth0 && ip link set eth0 up"""
            .formatted(hostName, ADDRESS_OUT);
    String wired =
        wire.map(
                end ->
                    " && ip addr add %s/24 dev eth1 && ip link set eth1 up"
                        .formatted(end.address()))
            .orElse("");
    return out + wired + "\n";
  }
}
