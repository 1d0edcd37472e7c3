package lockstep.monitor.input;

/** How the guest's end of the console stands, for who types. Any thread; may be a little old. */
public interface ConsoleLine {
  /** A line that takes nothing: before there is a machine. */
  ConsoleLine CLOSED =
      new ConsoleLine() {
        @Override
        public boolean takesMore() {
          return false;
        }

        @Override
        public long appliedBytes() {
          return 0;
        }
      };

  /** A line that takes everything: for input that paces itself. */
  ConsoleLine OPEN =
      new ConsoleLine() {
        @Override
        public boolean takesMore() {
          return true;
        }

        @Override
        public long appliedBytes() {
          return Long.MAX_VALUE;
        }
      };

  /** Whether there is room for the longest input, and somebody there to take it. */
  boolean takesMore();

  /** Bytes that were applied in all; what was offered beyond them is still on its way. */
  long appliedBytes();
}
