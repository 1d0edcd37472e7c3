package lockstep.monitor.device;

/**
 * One 8259A as in the Intel datasheet 231468, MCS-86 mode only (the 8080 mode does not exist on a
 * PC). The pair and its wiring is {@link Pic}.
 */
final class PicChip {
  private static final int ICW1 = 0x10;
  private static final int ICW1_IC4 = 0x01;
  private static final int ICW1_SNGL = 0x02;
  private static final int ICW1_LTIM = 0x08;
  private static final int ICW4_AEOI = 0x02;
  private static final int ICW4_SFNM = 0x10;
  private static final int OCW3 = 0x08;
  private static final int OCW3_RIS = 0x01;
  private static final int OCW3_RR = 0x02;
  private static final int OCW3_POLL = 0x04;
  private static final int OCW3_SMM = 0x20;
  private static final int OCW3_ESMM = 0x40;
  private static final int NOBODY = 8;

  /** The inputs behind which another 8259A sits: bit 2 on the master, none on the slave. */
  private final int cascadeInputs;

  /** The ELCR bits that can be set: the timer, keyboard, cascade, RTC and FPU lines cannot. */
  private final int elcrMask;

  private int lines;
  private int edges;
  private int imr;
  private int isr;
  private int elcr;
  private boolean levelMode;
  private int vectorBase;
  private int lowestPriority = 7;
  private int initStep;
  private boolean cascaded;
  private boolean expectIcw4;
  private boolean autoEoi;
  private boolean fullyNested;
  private boolean rotateOnAutoEoi;
  private boolean specialMask;
  private boolean readIsr;
  private boolean poll;

  PicChip(int cascadeInputs, int elcrMask) {
    this.cascadeInputs = cascadeInputs;
    this.elcrMask = elcrMask;
  }

  void setLine(int input, boolean high) {
    int bit = 1 << input;
    if (high) {
      edges |= bit & ~lines;
      lines |= bit;
    } else {
      // Datasheet, "Edge and Level Triggered Modes": a request that goes away before INTA is gone.
      lines &= ~bit;
      edges &= ~bit;
    }
  }

  private int levelInputs() {
    return levelMode ? 0xff : elcr;
  }

  private int irr() {
    int level = levelInputs();
    return (lines & level) | (edges & ~level);
  }

  /** 0 for the highest of the set bits in the present rotation, {@link #NOBODY} for none. */
  private int priority(int inputs) {
    if (inputs == 0) {
      return NOBODY;
    }
    int shift = (lowestPriority + 1) & 7;
    int rotated = ((inputs >>> shift) | (inputs << (8 - shift))) & 0xff;
    return Integer.numberOfTrailingZeros(rotated);
  }

  private int inputAt(int priority) {
    return (priority + lowestPriority + 1) & 7;
  }

  /** The input that would be acknowledged now, -1 for none: the INT pin is high when it is not. */
  int pending() {
    int wanted = priority(irr() & ~imr);
    if (wanted == NOBODY) {
      return -1;
    }
    int inhibiting = isr;
    if (specialMask) {
      inhibiting &= ~imr;
    }
    if (fullyNested) {
      inhibiting &= ~cascadeInputs;
    }
    return wanted < priority(inhibiting) ? inputAt(wanted) : -1;
  }

  /** The INTA sequence for {@code input}. */
  void acknowledge(int input) {
    int bit = 1 << input;
    edges &= ~bit;
    if (!autoEoi) {
      isr |= bit;
    } else if (rotateOnAutoEoi) {
      lowestPriority = input;
    }
  }

  int vector(int input) {
    return vectorBase | input;
  }

  /** The next read is a poll. */
  boolean polled() {
    return poll;
  }

  int read(int a0) {
    if (poll) {
      poll = false;
      int input = pending();
      if (input < 0) {
        return 0;
      }
      acknowledge(input);
      return 0x80 | input;
    }
    if (a0 != 0) {
      return imr;
    }
    return readIsr ? isr : irr();
  }

  void write(int a0, int value) {
    if (a0 == 0) {
      if ((value & ICW1) != 0) {
        startInitialization(value);
      } else if ((value & OCW3) != 0) {
        operation3(value);
      } else {
        operation2(value >>> 5, value & 7);
      }
      return;
    }
    switch (initStep) {
      case 2 -> {
        vectorBase = value & 0xf8;
        initStep = cascaded ? 3 : expectIcw4 ? 4 : 0;
      }
      // ICW3 says where the slaves are; the wires of a PC are fixed.
      case 3 -> initStep = expectIcw4 ? 4 : 0;
      case 4 -> {
        autoEoi = (value & ICW4_AEOI) != 0;
        fullyNested = (value & ICW4_SFNM) != 0;
        initStep = 0;
      }
      default -> imr = value;
    }
  }

  private void startInitialization(int value) {
    levelMode = (value & ICW1_LTIM) != 0;
    cascaded = (value & ICW1_SNGL) == 0;
    expectIcw4 = (value & ICW1_IC4) != 0;
    initStep = 2;
    // Datasheet, ICW1: the edge sense circuit is reset, IMR cleared, IR7 lowest, special mask off,
    // status read set to IRR; without ICW4 all its functions are off.
    edges = 0;
    imr = 0;
    isr = 0;
    lowestPriority = 7;
    specialMask = false;
    readIsr = false;
    poll = false;
    autoEoi = false;
    fullyNested = false;
    rotateOnAutoEoi = false;
  }

  private void operation3(int value) {
    if ((value & OCW3_ESMM) != 0) {
      specialMask = (value & OCW3_SMM) != 0;
    }
    if ((value & OCW3_POLL) != 0) {
      poll = true;
    } else if ((value & OCW3_RR) != 0) {
      readIsr = (value & OCW3_RIS) != 0;
    }
  }

  private void operation2(int command, int input) {
    switch (command) {
      case 0 -> rotateOnAutoEoi = false;
      case 4 -> rotateOnAutoEoi = true;
      case 1, 5 -> {
        // In special mask mode a masked in-service bit survives a non-specific EOI (datasheet,
        // "End of Interrupt").
        int served = priority(specialMask ? isr & ~imr : isr);
        if (served != NOBODY) {
          int ended = inputAt(served);
          isr &= ~(1 << ended);
          if (command == 5) {
            lowestPriority = ended;
          }
        }
      }
      case 3, 7 -> {
        isr &= ~(1 << input);
        if (command == 7) {
          lowestPriority = input;
        }
      }
      case 6 -> lowestPriority = input;
      default -> {
        // 2: no operation.
      }
    }
  }

  int elcr() {
    return elcr;
  }

  void setElcr(int value) {
    elcr = value & elcrMask;
  }

  /** Power-on: everything off; the levels of the inputs belong to the devices and stay. */
  void reset() {
    startInitialization(0);
    initStep = 0;
    cascaded = false;
    vectorBase = 0;
    elcr = 0;
  }

  PicChipState save() {
    return new PicChipState(
        lines,
        edges,
        imr,
        isr,
        elcr,
        levelMode,
        vectorBase,
        lowestPriority,
        initStep,
        cascaded,
        expectIcw4,
        autoEoi,
        fullyNested,
        rotateOnAutoEoi,
        specialMask,
        readIsr,
        poll);
  }

  void restore(PicChipState state) {
    if ((state.elcr() & ~elcrMask) != 0) {
      throw new IllegalArgumentException("pic: elcr " + state.elcr() + " sets an edge-only line");
    }
    lines = state.lines();
    edges = state.edges();
    imr = state.imr();
    isr = state.isr();
    elcr = state.elcr();
    levelMode = state.levelMode();
    vectorBase = state.vectorBase();
    lowestPriority = state.lowestPriority();
    initStep = state.initStep();
    cascaded = state.cascaded();
    expectIcw4 = state.expectIcw4();
    autoEoi = state.autoEoi();
    fullyNested = state.fullyNested();
    rotateOnAutoEoi = state.rotateOnAutoEoi();
    specialMask = state.specialMask();
    readIsr = state.readIsr();
    poll = state.poll();
  }
}
