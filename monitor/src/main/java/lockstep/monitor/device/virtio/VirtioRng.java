package lockstep.monitor.device.virtio;

import java.util.List;
import lockstep.monitor.bus.DmaMemory;
import lockstep.monitor.device.PciConfigSpace;
import lockstep.monitor.input.EntropySource;
import lockstep.monitor.state.Bytes;

/**
 * An entropy device: virtio-rng on virtio-pci (VIRTIO 1.2, 5.4). A buffer is filled while its
 * notification is handled, with bytes that are an input of the machine: a replay gives the same.
 */
public final class VirtioRng implements VirtioDevice<VirtioRngState> {
  /** The size of the one queue, and so what one notification can ask for. */
  static final int QUEUE_SIZE = 8;

  private static final int QUEUE = 0;

  /** Virtio's vendor, entropy device 0x1040 + 4, a device of no class, its own subsystem. */
  private static final PciConfigSpace.Identity IDENTITY =
      new PciConfigSpace.Identity(0x1af4, 0x1044, 1, 0x00_ff00, 0x1af4, 0x1100);

  private final EntropySource source;
  private final DmaMemory ram;
  private final VirtioPci transport;
  private final DescriptorChain chain;

  /**
   * A device as after power-on.
   *
   * @param source where its bytes come from
   * @param wiring what the machine connects it to
   */
  public VirtioRng(EntropySource source, PciWiring wiring) {
    this.source = source;
    this.ram = wiring.ram();
    this.chain = new DescriptorChain(ram);
    this.transport =
        new VirtioPci(
            new VirtioPci.Kind(IDENTITY, 0, List.of(QUEUE_SIZE), 0), new Function(), wiring);
  }

  @Override
  public PciDevice pci() {
    return transport;
  }

  private final class Function implements VirtioFunction {
    @Override
    public int configByte(int offset) {
      return 0;
    }

    @Override
    public void notified(int queue) {
      fillAll();
    }

    @Override
    public void queueLost(int queue) {
      // No buffer is kept.
    }
  }

  private void fillAll() {
    VirtQueue queue = transport.queue(QUEUE);
    boolean indirect = transport.accepted(VirtioPci.FEATURE_INDIRECT);
    // A driver has no more than that at once. One that has bytes written over its own ring could
    // keep the device here otherwise.
    for (int left = queue.size(); left > 0 && transport.live() && queue.enabled(); left--) {
      int head = queue.take(chain, indirect);
      if (head == VirtQueue.NONE) {
        return;
      }
      if (head == VirtQueue.BROKEN || chain.writableBytes() < 1) {
        transport.needsReset();
        return;
      }
      fill(head);
    }
  }

  /** A driver that wants more asks again. */
  private void fill(int head) {
    int count = (int) Math.min(chain.writableBytes(), EntropySource.MAX_BYTES);
    Bytes bytes = source.entropy(count);
    int done = 0;
    for (GuestBuffer buffer : chain.writable()) {
      int part = (int) Math.min(buffer.lengthBytes(), count - done);
      if (part > 0) {
        ram.write(buffer.address(), bytes.asBuffer().slice(done, part));
        done += part;
      }
    }
    if (transport.queue(QUEUE).give(head, count)) {
      transport.queueInterrupt();
    }
  }

  @Override
  public VirtioRngState save() {
    return new VirtioRngState(transport.save());
  }

  @Override
  public void restore(VirtioRngState state) {
    transport.restore(state.transport());
  }

  @Override
  public Class<VirtioRngState> stateType() {
    return VirtioRngState.class;
  }

  @Override
  public void reset() {
    transport.reset();
  }
}
