package lockstep.monitor.block;

import lockstep.monitor.state.Bytes;

/** How a request to a disk ended. */
public sealed interface BlockResult {
  /** The request's number. */
  long id();

  /**
   * Carried out.
   *
   * @param data what a read found, all of it; empty for other requests
   */
  record Done(long id, Bytes data) implements BlockResult {}

  /**
   * Not carried out, or only in part; the guest is told of an error.
   *
   * @param reason one line for people
   */
  record Failed(long id, String reason) implements BlockResult {}

  /**
   * The storage refused this host, because another one has taken the disk over (reservation
   * conflict, EBADE). The guest must not go on here.
   *
   * @param reason one line for people
   */
  record Fenced(long id, String reason) implements BlockResult {}
}
