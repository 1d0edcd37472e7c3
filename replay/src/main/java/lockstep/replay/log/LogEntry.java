package lockstep.replay.log;

import java.util.List;
import lockstep.monitor.input.EntropySource;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.state.Bytes;

/**
 * One entry of the log. The order of the entries is the order in which the recorded machine asked
 * for them, so an entry needs no more position than that: a replay meets each one at the same
 * question. Clock readings, by far the most frequent, also pass without an object: {@link
 * EntrySink#clock} and {@link EntrySource#takeClock}.
 */
public sealed interface LogEntry {
  /** Kinds, with their numbers in the log. */
  enum Kind {
    CLOCK(1),
    POINT(2),
    INPUT(3),
    DELIVERY(4),
    OUTPUT(5),
    EXIT_DIGEST(6),
    REGISTERS(7),
    MACHINE_DIGEST(8),
    END(9),
    PAGES(10),
    ENTROPY(11);

    private final int wire;

    Kind(int wire) {
      this.wire = wire;
    }

    /** The number in the log. */
    public int wire() {
      return wire;
    }
  }

  /** Which kind this is. */
  Kind kind();

  /**
   * A clock reading taken while a guest exit was handled.
   *
   * @param nanos the guest clock; never less than the reading before
   */
  record Clock(long nanos) implements LogEntry {
    @Override
    public Kind kind() {
      return Kind.CLOCK;
    }
  }

  /**
   * Random bytes that a device asked for while a guest exit was handled.
   *
   * @param content 1 to {@link EntropySource#MAX_BYTES}
   */
  record Entropy(Bytes content) implements LogEntry {
    /** Checks the range. */
    public Entropy {
      if (content.size() < 1 || content.size() > EntropySource.MAX_BYTES) {
        throw new IllegalArgumentException(content.size() + " bytes of entropy");
      }
    }

    @Override
    public Kind kind() {
      return Kind.ENTROPY;
    }
  }

  /** The inputs and deliveries that follow belong to this point. */
  record Point(ExecutionPoint at) implements LogEntry {
    @Override
    public Kind kind() {
      return Kind.POINT;
    }
  }

  /**
   * Some of the pages of the state-sync whose {@link Point} follows: so many entries of this kind
   * as it needs, so that neither side ever has all of a guest's memory on its heap.
   *
   * @param pages 1 to {@link #MAX_PAGES}
   */
  record Pages(List<Page> pages) implements LogEntry {
    /** Half a frame, if nothing can be compressed: few enough entries, and short ones. */
    public static final int MAX_PAGES = 128;

    /** Checks the range and copies. */
    public Pages {
      pages = List.copyOf(pages);
      if (pages.isEmpty() || pages.size() > MAX_PAGES) {
        throw new IllegalArgumentException(pages.size() + " pages, not 1.." + MAX_PAGES);
      }
    }

    @Override
    public Kind kind() {
      return Kind.PAGES;
    }
  }

  /**
   * One page of guest memory.
   *
   * @param address guest-physical, a multiple of 4,096
   * @param content 4,096 bytes
   */
  record Page(long address, Bytes content) {
    /** Checks the shape. */
    public Page {
      if (address < 0 || address % 4096 != 0 || content.size() != 4096) {
        throw new IllegalArgumentException(
            "page at 0x%x with %d bytes".formatted(address, content.size()));
      }
    }
  }

  /** A placed input, applied at the last {@link Point}. */
  record Input(ExternalInput input) implements LogEntry {
    @Override
    public Kind kind() {
      return Kind.INPUT;
    }
  }

  /**
   * An interrupt went to the CPU at the last {@link Point}.
   *
   * @param vector 0..255
   */
  record Delivery(int vector) implements LogEntry {
    /** Checks the range. */
    public Delivery {
      if (vector < 0 || vector > 255) {
        throw new IllegalArgumentException("vector " + vector);
      }
    }

    @Override
    public Kind kind() {
      return Kind.DELIVERY;
    }
  }

  /**
   * The guest made an output during guest exit number {@code exits}: a replay must come this far
   * before it may go live (the Output Rule).
   */
  record Output(long exits) implements LogEntry {
    @Override
    public Kind kind() {
      return Kind.OUTPUT;
    }
  }

  /**
   * Rolling digest over all guest exits so far.
   *
   * @param exits how many they are
   * @param digest 32 bits
   */
  record ExitDigest(long exits, int digest) implements LogEntry {
    @Override
    public Kind kind() {
      return Kind.EXIT_DIGEST;
    }
  }

  /**
   * The general registers at a guest exit, its instruction completed: a second, sharper check, and
   * what a divergence report shows of the recorded side.
   *
   * @param exits guest exits so far
   * @param values in the order of {@code lockstep.kvm.Reg}
   */
  record Registers(long exits, List<Long> values) implements LogEntry {
    /** How many there are: 16 general registers, RIP and RFLAGS. */
    public static final int COUNT = 18;

    /** Checks the shape and copies. */
    public Registers {
      values = List.copyOf(values);
      if (values.size() != COUNT) {
        throw new IllegalArgumentException(values.size() + " registers");
      }
    }

    @Override
    public Kind kind() {
      return Kind.REGISTERS;
    }
  }

  /** A digest of the whole machine at a guest exit. */
  record MachineDigest(long exits, lockstep.replay.log.MachineDigest digest) implements LogEntry {
    @Override
    public Kind kind() {
      return Kind.MACHINE_DIGEST;
    }
  }

  /**
   * The recording ended in order; a log without it was cut.
   *
   * @param exits guest exits at the end
   * @param how what ended it
   */
  record End(long exits, Ending how) implements LogEntry {
    @Override
    public Kind kind() {
      return Kind.END;
    }
  }

  /** How a recorded run ended. */
  enum Ending {
    /** The host stopped it; the guest could have gone on. */
    STOPPED(1),
    /** The guest wrote to its exit port. */
    EXIT_PORT(2),
    /** The guest asked for a reset. */
    RESET(3),
    /** HLT with interrupts disabled. */
    HALTED_FOR_GOOD(4),
    /** Triple fault or KVM error. */
    CRASHED(5),
    /** The storage refused this host. */
    FENCED(6);

    private final int wire;

    Ending(int wire) {
      this.wire = wire;
    }

    /** The number in the log. */
    public int wire() {
      return wire;
    }
  }
}
