package lockstep.monitor.block;

import lockstep.monitor.state.Bytes;

/** How a request to a disk ended. */
public sealed interface BlockResult {
  /** The request's number. */
  long id();

  /** The same, to have after the completion has returned. */
  default BlockResult kept() {
    return this;
  }

  /**
   * Carried out.
   *
   * @param data what a read found, maybe only until the completion has returned
   */
  record Done(long id, ReadData data) implements BlockResult {
    /** With data that stays, or none. */
    public Done(long id, Bytes data) {
      this(id, new ReadData.Kept(data));
    }

    @Override
    public BlockResult kept() {
      return new Done(id, data.bytes());
    }
  }

  /**
   * Not carried out, or only in part; the guest is told of an error.
   *
   * @param reason one line for people
   */
  record Failed(long id, String reason) implements BlockResult {}

  /**
   * The {@link WritePermit} did not let it reach the medium; the guest is told of nothing. Of a
   * request in several parts some may have been carried out.
   */
  record NotStarted(long id) implements BlockResult {}

  /**
   * The storage refused this host, because another one has taken the disk over (reservation
   * conflict, EBADE). The guest must not go on here.
   *
   * @param reason one line for people
   */
  record Fenced(long id, String reason) implements BlockResult {}
}
