package lockstep.monitor.device.virtio;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.bus.DmaMemory;
import lockstep.monitor.device.PciConfigSpace;
import lockstep.monitor.input.ExternalInput.DiskCompletion;
import lockstep.monitor.input.ExternalInput.DiskStatus;
import lockstep.monitor.state.Bytes;

/**
 * A disk: virtio-blk behind virtio-pci (VIRTIO 1.2, 5.2). At a notification it copies what a write
 * writes out of the guest and hands requests out; a {@link DiskCompletion} is the only thing that
 * puts data, status and a used buffer into the guest. So the same notifications and completions
 * give the same guest, whether a medium is there or not.
 *
 * <p>Requests that the device can answer by itself (its name, or an error in the request) are
 * answered at once. A reset leaves requests in flight behind as orphans: their completions change
 * nothing, but a new request that overlaps one waits for it.
 */
public final class VirtioBlock implements VirtioDevice<VirtioBlockState> {
  /** The size of the one queue. */
  static final int QUEUE_SIZE = 256;

  private static final int QUEUE = 0;
  private static final int HEADER_BYTES = 16;
  private static final int SECTOR_AT = 8;
  private static final int DISCARD_BYTES = 16;
  private static final int NAME_BYTES = 20;

  private static final int TYPE_IN = 0;
  private static final int TYPE_OUT = 1;
  private static final int TYPE_FLUSH = 4;
  private static final int TYPE_GET_ID = 8;
  private static final int TYPE_DISCARD = 11;

  private static final int STATUS_OK = 0;
  private static final int STATUS_ERROR = 1;
  private static final int STATUS_UNSUPPORTED = 2;

  /** Virtio's vendor, block device 0x1040 + 2, mass storage of no other kind, its own subsystem. */
  private static final PciConfigSpace.Identity IDENTITY =
      new PciConfigSpace.Identity(0x1af4, 0x1042, 1, 0x01_8000, 0x1af4, 0x1100);

  private static final byte[] NAME = Arrays.copyOf("lockstep".getBytes(US_ASCII), NAME_BYTES);

  private final Geometry geometry;
  private final byte[] config;
  private final DmaMemory ram;
  private final Consumer<String> fenced;
  private final VirtioPci transport;
  private final DescriptorChain chain;
  private final DiskRequests requests;
  private final byte[] header = new byte[HEADER_BYTES];
  private final ByteBuffer headerFields = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
  private long nextId;

  /**
   * A disk as after power-on.
   *
   * @param wiring what the machine connects it to
   * @param port takes the requests
   */
  public VirtioBlock(Geometry geometry, PciWiring wiring, Port port) {
    this.geometry = geometry;
    this.config = BlockConfig.bytes(geometry);
    this.ram = wiring.ram();
    this.fenced = port.fenced();
    this.chain = new DescriptorChain(ram);
    this.requests = new DiskRequests(port.requests(), port.mostBytes());
    this.transport =
        new VirtioPci(
            new VirtioPci.Kind(
                IDENTITY,
                BlockConfig.features(geometry),
                List.of(QUEUE_SIZE),
                BlockConfig.SIZE_BYTES),
            new Function(),
            wiring);
  }

  /**
   * Where its requests go.
   *
   * @param requests takes them
   * @param fenced told why, when the storage refuses this host
   * @param mostBytes how much data may wait for completions: from there on no more is taken, but
   *     for one request
   */
  public record Port(Consumer<BlockRequest> requests, Consumer<String> fenced, long mostBytes) {}

  @Override
  public PciDevice pci() {
    return transport;
  }

  private final class Function implements VirtioFunction {
    @Override
    public int configByte(int offset) {
      return offset < config.length ? config[offset] : 0;
    }

    @Override
    public void notified(int queue) {
      takeAll();
    }

    @Override
    public void queueLost(int queue) {
      requests.abandon();
    }
  }

  private void takeAll() {
    VirtQueue queue = transport.queue(QUEUE);
    boolean indirect = transport.accepted(VirtioPci.FEATURE_INDIRECT);
    // A driver has no more than that at once. One that has answers written over its own ring could
    // keep the device here otherwise.
    for (int left = queue.size(); left > 0; left--) {
      if (!transport.live() || !queue.enabled() || !requests.hasRoom()) {
        return;
      }
      int head = queue.take(chain, indirect);
      if (head == VirtQueue.NONE) {
        return;
      }
      if (head == VirtQueue.BROKEN
          || chain.readableBytes() < HEADER_BYTES
          || chain.writableBytes() < 1) {
        transport.needsReset();
        return;
      }
      accept(head);
    }
  }

  private void accept(int head) {
    chain.gather(0, header);
    long given = chain.readableBytes() - HEADER_BYTES;
    long wanted = chain.writableBytes() - 1;
    long sector = headerFields.getLong(SECTOR_AT);
    switch (headerFields.getInt(0)) {
      case TYPE_IN -> start(head, DiskOperation.READ, sector, wanted);
      case TYPE_OUT -> {
        if (geometry.readOnly()) {
          refuse(head, STATUS_ERROR);
        } else {
          start(head, DiskOperation.WRITE, sector, given);
        }
      }
      case TYPE_FLUSH -> keep(head, DiskOperation.FLUSH, 0, 0, Bytes.empty());
      case TYPE_GET_ID -> {
        int length = (int) Math.min(wanted, NAME_BYTES);
        answer(head, chain.writable(), Bytes.copyOf(NAME, 0, length), STATUS_OK);
      }
      case TYPE_DISCARD -> discard(head, given);
      default -> refuse(head, STATUS_UNSUPPORTED);
    }
  }

  private void start(int head, DiskOperation operation, long sector, long lengthBytes) {
    if (lengthBytes > BlockRequest.MAX_TRANSFER_BYTES || !onDisk(sector, lengthBytes)) {
      refuse(head, STATUS_ERROR);
      return;
    }
    Bytes data = Bytes.empty();
    if (operation == DiskOperation.WRITE) {
      data = Bytes.filledBy((int) lengthBytes, into -> chain.gather(HEADER_BYTES, into));
    }
    keep(head, operation, sector * BlockConfig.SECTOR_BYTES, lengthBytes, data);
  }

  /** Whole blocks, at least one, within the disk. Written so that nothing can overflow. */
  private boolean onDisk(long sector, long lengthBytes) {
    long capacity = geometry.capacityBytes();
    return lengthBytes > 0
        && lengthBytes % geometry.blockBytes() == 0
        && sector >= 0
        && sector < capacity / BlockConfig.SECTOR_BYTES
        && sector * BlockConfig.SECTOR_BYTES % geometry.blockBytes() == 0
        && lengthBytes <= capacity - sector * BlockConfig.SECTOR_BYTES;
  }

  private void discard(int head, long givenBytes) {
    if (!transport.accepted(BlockConfig.FEATURE_DISCARD)) {
      refuse(head, STATUS_UNSUPPORTED);
      return;
    }
    if (givenBytes != DISCARD_BYTES) {
      // One segment was offered: max_discard_seg.
      refuse(head, STATUS_ERROR);
      return;
    }
    byte[] segment = new byte[DISCARD_BYTES];
    chain.gather(HEADER_BYTES, segment);
    ByteBuffer fields = ByteBuffer.wrap(segment).order(ByteOrder.LITTLE_ENDIAN);
    long sector = fields.getLong(0);
    long sectors = Integer.toUnsignedLong(fields.getInt(8));
    long length = sectors * BlockConfig.SECTOR_BYTES;
    if (fields.getInt(12) != 0) {
      // Unmap is for write zeroes (VIRTIO 1.2, 5.2.6.2).
      refuse(head, STATUS_UNSUPPORTED);
    } else if (sectors > BlockConfig.MAX_DISCARD_SECTORS || !onDisk(sector, length)) {
      refuse(head, STATUS_ERROR);
    } else {
      keep(head, DiskOperation.DISCARD, sector * BlockConfig.SECTOR_BYTES, length, Bytes.empty());
    }
  }

  private void keep(int head, DiskOperation operation, long offset, long length, Bytes data) {
    // A driver that cannot flush must find every write on the medium (VIRTIO 1.2, 5.2.6.2).
    boolean fua =
        operation == DiskOperation.WRITE && !transport.accepted(BlockConfig.FEATURE_FLUSH);
    long id = nextId++;
    requests.add(
        new DiskRequestState(
            id, operation, offset, length, data, fua, false, head, chain.writable()));
  }

  private void refuse(int head, int status) {
    answer(head, chain.writable(), Bytes.empty(), status);
  }

  /**
   * A request ended. One that nobody waits for, or that was never made, changes nothing in the
   * guest.
   */
  public void completed(DiskCompletion completion) {
    if (completion.status() == DiskStatus.FENCED) {
      // Still pending: whoever saves this machine has a request that was not carried out.
      fenced.accept(new String(completion.data().toArray(), UTF_8));
      return;
    }
    DiskRequestState request = requests.complete(completion.id());
    if (request == null) {
      return;
    }
    if (request.head() != DiskRequestState.ORPHAN) {
      finish(request, completion);
    }
    requests.issueFreed();
    takeAll();
  }

  private void finish(DiskRequestState request, DiskCompletion completion) {
    if (!transport.live()) {
      // The driver took the right to reach memory away, or the device is broken already.
      transport.needsReset();
      return;
    }
    long expected = request.operation() == DiskOperation.READ ? request.lengthBytes() : 0;
    boolean done = completion.status() == DiskStatus.DONE && completion.data().size() == expected;
    answer(
        request.head(),
        request.answer(),
        done ? completion.data() : Bytes.empty(),
        done ? STATUS_OK : STATUS_ERROR);
  }

  /** Writes data to the front and the status to the last byte, then gives the chain back. */
  private void answer(int head, List<GuestBuffer> buffers, Bytes data, int status) {
    ByteBuffer content = data.asBuffer();
    long total = 0;
    for (GuestBuffer buffer : buffers) {
      content.limit((int) Math.min(data.size(), content.position() + buffer.lengthBytes()));
      ram.write(buffer.address(), content);
      content.position(content.limit());
      total += buffer.lengthBytes();
    }
    GuestBuffer last = buffers.getLast();
    ram.writeByte(last.address() + last.lengthBytes() - 1, status);
    // The used length counts bytes without a gap from the first one on.
    long usedBytes = data.size() + 1 == total ? total : data.size();
    if (transport.queue(QUEUE).give(head, usedBytes)) {
      transport.queueInterrupt();
    }
  }

  /**
   * Requests that were handed out and have not completed, oldest first: who takes a restored
   * machine over hands them to the medium again. Reads and writes may be repeated.
   */
  public List<BlockRequest> inFlight() {
    return requests.inFlight();
  }

  @Override
  public VirtioBlockState save() {
    return new VirtioBlockState(transport.save(), nextId, requests.save());
  }

  @Override
  public void restore(VirtioBlockState state) {
    for (DiskRequestState request : state.requests()) {
      for (GuestBuffer buffer : request.answer()) {
        if (!ram.contains(buffer.address(), buffer.lengthBytes())) {
          throw new IllegalArgumentException("virtio: " + buffer + " is not RAM");
        }
      }
      if (request.offsetBytes() + request.lengthBytes() > geometry.capacityBytes()) {
        throw new IllegalArgumentException(
            "virtio: disk request " + request.id() + " is beyond the disk");
      }
    }
    requests.restore(state.requests());
    nextId = state.nextId();
    transport.restore(state.transport());
    VirtQueue queue = transport.queue(QUEUE);
    for (DiskRequestState request : state.requests()) {
      boolean orphan = request.head() == DiskRequestState.ORPHAN;
      if (!orphan && (!queue.enabled() || request.head() >= queue.size())) {
        throw new IllegalArgumentException(
            "virtio: disk request %d is of chain %d of no such queue"
                .formatted(request.id(), request.head()));
      }
    }
  }

  @Override
  public Class<VirtioBlockState> stateType() {
    return VirtioBlockState.class;
  }

  /** As after power-on, but for requests in flight, which become orphans, and their numbers. */
  @Override
  public void reset() {
    transport.reset();
  }
}
