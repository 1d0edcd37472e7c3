package lockstep.replay.ft;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ScheduledExecutorService;
import lockstep.replay.ft.peer.PeerConnector;
import lockstep.replay.ft.peer.PeerLink;

/**
 * One process's network: a loop thread, connections to other hosts of the world, and what is wrong
 * with the ways there. What travels is bytes, as encoded by the real codec.
 */
final class SimNetwork implements PeerConnector {
  /** Takes a connection that somebody has made to this process; loop thread. */
  interface Acceptor {
    PeerLink.Listener accept(PeerLink from);
  }

  final SimHost host;
  final SimProcess process;
  private final SimExecutor loop;
  private final List<SimLink> links = new ArrayList<>();
  private Optional<Acceptor> acceptor = Optional.empty();

  /**
   * @param looks done on the loop thread after each of its events
   */
  SimNetwork(SimHost host, SimProcess process, Runnable looks) {
    this.host = host;
    this.process = process;
    this.loop = new SimExecutor("peer-loop", process, looks);
  }

  @Override
  public ScheduledExecutorService loop() {
    return loop;
  }

  boolean isLoop() {
    return loop.isHere();
  }

  /** From here on others may connect. */
  void listen(Acceptor with) {
    acceptor = Optional.of(with);
  }

  /** Connections that were made, also those that are closed. */
  List<SimLink> links() {
    return links;
  }

  @Override
  public PeerLink connect(InetSocketAddress to, long timeoutMillis, PeerLink.Listener listener)
      throws IOException, InterruptedException {
    SimWorld world = process.world;
    long until = process.nanoTime() + timeoutMillis * SimWorld.MS;
    process.sleep(world.between(0, SimWorld.MS));
    SimHost other = host.cluster.host(to.getPort());
    // As a SYN: sent again and again while there is no way.
    while (!host.reaches(other) || !other.reaches(host) || other.isSilent()) {
      if (process.nanoTime() - until >= 0) {
        throw new IOException("connect to " + other.name + ": no answer");
      }
      process.sleep(10 * SimWorld.MS);
    }
    SimNetwork there =
        other
            .network()
            .filter(network -> network.acceptor.isPresent())
            .orElseThrow(
                () -> new IOException("connect to " + other.name + ": connection refused"));
    SimLink near = new SimLink(this);
    SimLink far = new SimLink(there);
    near.connect(far, listener);
    links.add(near);
    there.links.add(far);
    there.loop.execute(
        () -> {
          far.connect(near, there.acceptor.orElseThrow().accept(far));
          far.read();
        });
    return near;
  }

  /** The process is dead: its kernel, if that lives, closes what it had open. */
  void died(boolean withItsHost) {
    acceptor = Optional.empty();
    for (SimLink link : links) {
      link.died(withItsHost);
    }
  }
}
