package lockstep.replay.log;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** What the simulation of pairs knows of frames on their way, and does to them. */
public final class SimFrames {
  private static final byte NO_SUCH_KIND = 99;

  private SimFrames() {}

  /** How many entries have ended in this frame and all before it. */
  public static long entriesAfter(byte[] header) {
    FrameHeader decoded = FrameHeader.decode(header).orElseThrow();
    return decoded.firstEntry() + decoded.entries();
  }

  /** The same of a whole frame. */
  public static long entriesAfter(ByteBuffer frame) {
    byte[] header = new byte[FrameHeader.BYTES];
    frame.get(frame.position(), header);
    return entriesAfter(header);
  }

  /**
   * Makes the first entry of a frame one of a kind that does not exist; the checksum is right.
   *
   * @param at where the frame begins
   * @return false when it holds no entry
   */
  public static boolean unknownEntry(byte[] bytes, int at) {
    FrameHeader before =
        FrameHeader.decode(Arrays.copyOfRange(bytes, at, at + FrameHeader.BYTES)).orElseThrow();
    if (before.entries() == 0) {
      return false;
    }
    bytes[at + FrameHeader.BYTES] = NO_SUCH_KIND;
    ByteBuffer body = ByteBuffer.wrap(bytes, at + FrameHeader.BYTES, before.bodyBytes());
    FrameHeader after =
        new FrameHeader(
            before.type(),
            before.bodyBytes(),
            FrameHeader.checksum(body),
            before.firstEntry(),
            before.entries());
    System.arraycopy(after.encode(), 0, bytes, at, FrameHeader.BYTES);
    return true;
  }
}
