package lockstep.replay.ft.planted;

import lockstep.replay.ft.FtNode;

/** A part of a pair that imports what puts the parts together. */
public final class KnowsNode {
  private KnowsNode() {}

  static Class<?> node() {
    return FtNode.class;
  }
}
