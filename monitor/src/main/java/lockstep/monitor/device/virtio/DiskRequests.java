package lockstep.monitor.device.virtio;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockRequest;
import org.jspecify.annotations.Nullable;

/**
 * The requests that have not completed, oldest first. One that overlaps an older one is held back
 * until that has completed, unless both read: so what the medium holds afterwards does not depend
 * on the order in which a backend carries out what is in flight.
 */
final class DiskRequests {
  /** How many may wait, orphans among them: as many as the queue has. */
  static final int MAX_REQUESTS = BlockRequest.MAX_UNANSWERED;

  private final Consumer<BlockRequest> sink;
  private final List<DiskRequestState> requests = new ArrayList<>();
  private final long mostBytes;
  private long weightBytes;

  /**
   * @param mostBytes from here on no more are taken; one more may be kept
   */
  DiskRequests(Consumer<BlockRequest> sink, long mostBytes) {
    this.sink = sink;
    this.mostBytes = mostBytes;
  }

  /** One more may be added. */
  boolean hasRoom() {
    return requests.size() < MAX_REQUESTS && weightBytes < mostBytes;
  }

  /** Adds the newest one, and hands it out if it need not wait. */
  void add(DiskRequestState request) {
    requests.add(request);
    weightBytes += request.weightBytes();
    issueIfFree(requests.size() - 1);
  }

  private void issueIfFree(int index) {
    DiskRequestState request = requests.get(index);
    for (int i = 0; i < index; i++) {
      if (request.conflictsWith(requests.get(i))) {
        return;
      }
    }
    requests.set(index, request.asIssued());
    sink.accept(request.toRequest());
  }

  /** Takes out the one with this number that was handed out; null when there is none. */
  @Nullable DiskRequestState complete(long id) {
    for (int i = 0; i < requests.size(); i++) {
      DiskRequestState request = requests.get(i);
      if (request.id() == id && request.issued()) {
        requests.remove(i);
        weightBytes -= request.weightBytes();
        return request;
      }
    }
    return null;
  }

  /** Hands out those that need not wait any more. */
  void issueFreed() {
    for (int i = 0; i < requests.size(); i++) {
      if (!requests.get(i).issued()) {
        issueIfFree(i);
      }
    }
  }

  /** Nobody waits for any of them now. Those that were not handed out never will be. */
  void abandon() {
    requests.removeIf(request -> !request.issued());
    requests.replaceAll(DiskRequestState::asOrphan);
    weightBytes = requests.stream().mapToLong(DiskRequestState::weightBytes).sum();
  }

  /** Those that were handed out. */
  List<BlockRequest> inFlight() {
    return requests.stream()
        .filter(DiskRequestState::issued)
        .map(DiskRequestState::toRequest)
        .toList();
  }

  List<DiskRequestState> save() {
    return List.copyOf(requests);
  }

  /** Takes over saved ones without handing out any. */
  void restore(List<DiskRequestState> saved) {
    if (saved.size() > MAX_REQUESTS) {
      throw new IllegalArgumentException("virtio: " + saved.size() + " disk requests");
    }
    requests.clear();
    requests.addAll(saved);
    weightBytes = saved.stream().mapToLong(DiskRequestState::weightBytes).sum();
  }
}
