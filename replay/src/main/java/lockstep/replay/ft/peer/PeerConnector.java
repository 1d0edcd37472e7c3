package lockstep.replay.ft.peer;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ScheduledExecutorService;

/** How connections are made; {@code lockstep.replay.channel} implements it. */
public interface PeerConnector {
  /** Its thread. */
  ScheduledExecutorService loop();

  /** See {@code PeerNetwork#connect}. */
  PeerLink connect(InetSocketAddress to, long timeoutMillis, PeerLink.Listener listener)
      throws IOException, InterruptedException;
}
