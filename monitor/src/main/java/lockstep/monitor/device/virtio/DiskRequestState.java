package lockstep.monitor.device.virtio;

import java.util.List;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.state.DeviceState;

/**
 * A request of the guest's that has not completed.
 *
 * @param id its number
 * @param operation what it does
 * @param offsetBytes where on the disk; 0 for a flush
 * @param lengthBytes how much; 0 for a flush
 * @param data what a write writes, else empty
 * @param fua a write is on the medium before it is done
 * @param issued it was handed out; else it waits for one that it overlaps
 * @param head the chain it came in, or {@link #ORPHAN}
 * @param answer where the answer goes: data, and the status in the last byte; empty for an orphan
 */
public record DiskRequestState(
    long id,
    DiskOperation operation,
    long offsetBytes,
    long lengthBytes,
    Bytes data,
    boolean fua,
    boolean issued,
    int head,
    List<GuestBuffer> answer)
    implements DeviceState {
  /**
   * The driver has reset the queue: nobody waits for the answer, but the medium may still be
   * changing.
   */
  public static final int ORPHAN = -1;

  /** Checks that such a request can be, and copies. */
  public DiskRequestState {
    answer = List.copyOf(answer);
    boolean bounded =
        operation == DiskOperation.DISCARD || lengthBytes <= BlockRequest.MAX_TRANSFER_BYTES;
    boolean possible =
        id >= 0
            && offsetBytes >= 0
            && bounded
            && (operation == DiskOperation.FLUSH) == (lengthBytes == 0)
            && lengthBytes >= 0
            && offsetBytes <= Long.MAX_VALUE - lengthBytes
            && data.size() == (operation == DiskOperation.WRITE ? lengthBytes : 0)
            && head >= ORPHAN
            && head < DescriptorChain.MAX_DESCRIPTORS
            && answer.size() <= DescriptorChain.MAX_DESCRIPTORS
            && (head == ORPHAN) == answer.isEmpty();
    if (!possible) {
      throw new IllegalArgumentException(
          "virtio: no such disk request: %d, %s, %d bytes at %d, %d given, head %d"
              .formatted(id, operation, lengthBytes, offsetBytes, data.size(), head));
    }
  }

  DiskRequestState asIssued() {
    return new DiskRequestState(
        id, operation, offsetBytes, lengthBytes, data, fua, true, head, answer);
  }

  DiskRequestState asOrphan() {
    return new DiskRequestState(
        id, operation, offsetBytes, lengthBytes, data, fua, issued, ORPHAN, List.of());
  }

  /** What it costs to keep, bytes: the data that a write has and a read will have. */
  long weightBytes() {
    return operation == DiskOperation.DISCARD ? 0 : lengthBytes;
  }

  /** One must wait for the other: they touch the same bytes and at least one changes them. */
  boolean conflictsWith(DiskRequestState other) {
    boolean bothRead = operation == DiskOperation.READ && other.operation == DiskOperation.READ;
    return !bothRead
        && offsetBytes < other.offsetBytes + other.lengthBytes
        && other.offsetBytes < offsetBytes + lengthBytes;
  }

  BlockRequest toRequest() {
    return switch (operation) {
      case READ -> new BlockRequest.Read(id, offsetBytes, (int) lengthBytes);
      case WRITE -> new BlockRequest.Write(id, offsetBytes, data, fua);
      case FLUSH -> new BlockRequest.Flush(id);
      case DISCARD -> new BlockRequest.Discard(id, offsetBytes, lengthBytes);
    };
  }
}
