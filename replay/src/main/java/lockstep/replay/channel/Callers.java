package lockstep.replay.channel;

import io.netty.channel.Channel;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * Who is connected to a side that listens. There are few at a time, and fewer of one address; when
 * there is no room, the oldest of those that have said nothing gives way: strangers who only
 * connect keep nobody out. Loop thread only.
 */
// A connection that closes says so itself.
@SuppressWarnings("FutureReturnValueIgnored")
final class Callers {
  /** The pair's, one that is turned away, and room for mishaps. */
  static final int MOST = 32;

  /** Leaves room for others, whatever one address does. */
  static final int MOST_OF_ONE_ADDRESS = 16;

  private final List<Caller> present = new ArrayList<>();
  private final BiConsumer<String, String> turnedAway;
  private final LoopGuard guard;

  private static final class Caller {
    private final Channel channel;
    private final InetAddress address;
    private boolean spoke;

    private Caller(Channel channel, InetAddress address) {
      this.channel = channel;
      this.address = address;
    }
  }

  /**
   * @param turnedAway told who had to go, and why
   */
  Callers(BiConsumer<String, String> turnedAway, LoopGuard guard) {
    this.turnedAway = turnedAway;
    this.guard = guard;
  }

  /** A new one; closed at once, and false, when there is no room. */
  boolean admit(Channel channel) {
    InetSocketAddress from = (InetSocketAddress) channel.remoteAddress();
    if (from == null) {
      channel.close();
      return false;
    }
    if (!makeRoom(from.getAddress())) {
      turnAway(channel, "too many connections from there");
      return false;
    }
    Caller caller = new Caller(channel, from.getAddress());
    present.add(caller);
    channel.closeFuture().addListener(guard.listener(_ -> present.remove(caller)));
    return true;
  }

  /** It has said something that makes sense. */
  void spoke(Channel channel) {
    for (Caller caller : present) {
      caller.spoke |= caller.channel == channel;
    }
  }

  private boolean makeRoom(InetAddress address) {
    if (count(address) >= MOST_OF_ONE_ADDRESS) {
      return evict(address);
    }
    return present.size() < MOST || evict(busiest());
  }

  private long count(InetAddress address) {
    return present.stream().filter(caller -> caller.address.equals(address)).count();
  }

  private InetAddress busiest() {
    Map<InetAddress, Integer> counts = new HashMap<>();
    for (Caller caller : present) {
      counts.merge(caller.address, 1, Integer::sum);
    }
    return counts.entrySet().stream().max(Map.Entry.comparingByValue()).orElseThrow().getKey();
  }

  private boolean evict(InetAddress address) {
    Optional<Caller> oldest =
        present.stream()
            .filter(caller -> !caller.spoke && caller.address.equals(address))
            .findFirst();
    oldest.ifPresent(
        caller -> {
          present.remove(caller);
          turnAway(caller.channel, "it said nothing, and others want to connect");
        });
    return oldest.isPresent();
  }

  private void turnAway(Channel channel, String why) {
    turnedAway.accept(PeerNetwork.show((InetSocketAddress) channel.remoteAddress()), why);
    channel.close();
  }
}
