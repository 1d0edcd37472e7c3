package lockstep.monitor.device.virtio;

import lockstep.monitor.state.WireEnum;

/** What a disk request does. */
public enum DiskOperation implements WireEnum {
  READ(1),
  WRITE(2),
  FLUSH(3),
  DISCARD(4);

  private final int wire;

  DiskOperation(int wire) {
    this.wire = wire;
  }

  @Override
  public int wire() {
    return wire;
  }
}
