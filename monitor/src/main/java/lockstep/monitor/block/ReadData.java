package lockstep.monitor.block;

import java.nio.ByteBuffer;
import lockstep.monitor.state.Bytes;
import org.jspecify.annotations.Nullable;

/** What a read found, all of it; nothing, of other requests. */
public sealed interface ReadData {
  /** The number of bytes. */
  int size();

  /**
   * To have it for as long as one wants.
   *
   * @throws IllegalStateException when it was lent, and the completion has returned
   */
  Bytes bytes();

  /** It is there for as long as it is used. */
  record Kept(Bytes bytes) implements ReadData {
    @Override
    public int size() {
      return bytes.size();
    }
  }

  /**
   * It is in memory of the medium, which takes the next request as soon as the completion has
   * returned. So the one copy that is made is that of whoever wants the data.
   */
  final class Lent implements ReadData {
    private final int size;
    private volatile @Nullable ByteBuffer memory;

    /** What is left in the buffer. */
    public Lent(ByteBuffer memory) {
      this.memory = memory;
      this.size = memory.remaining();
    }

    @Override
    public int size() {
      return size;
    }

    @Override
    public Bytes bytes() {
      ByteBuffer present = memory;
      if (present == null) {
        throw new IllegalStateException("read data is used after its completion");
      }
      return Bytes.copyOf(present);
    }

    /** For the medium: nobody sees its memory from now on. */
    public void takeBack() {
      memory = null;
    }
  }
}
