package lockstep.storage.ffi.disk;

import lockstep.monitor.block.WritePermit;

/**
 * A permit that engines have from their start, and that is another one once the medium has got a
 * side of a pair as its owner. Any thread.
 */
public final class ExchangedPermit implements WritePermit {
  private volatile WritePermit present = WritePermit.ALWAYS;

  /** From now on answers as this one does. */
  public void become(WritePermit next) {
    present = next;
  }

  @Override
  public Answer now() {
    return present.now();
  }
}
