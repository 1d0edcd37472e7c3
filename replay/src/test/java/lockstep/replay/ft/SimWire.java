package lockstep.replay.ft;

/**
 * One connection of the simulation, with what is known of it at both ends. Messages of an earlier
 * one never reach a later one, as with TCP; heartbeats neither, for their key is the connection's.
 */
final class SimWire {
  private final SimHost from;
  private final SimHost to;

  boolean open = true;

  SimWire(SimHost from, SimHost to) {
    this.from = from;
    this.to = to;
  }

  /** The host at the other end. */
  SimHost other(SimHost of) {
    return of == from ? to : from;
  }
}
