package lockstep.monitor.device;

import lockstep.monitor.state.DeviceState;

/**
 * One 8259A. Register names follow the Intel 8259A datasheet (231468).
 *
 * @param lines the present levels of the eight request inputs
 * @param edges requests latched by a rising edge and not yet acknowledged
 * @param imr interrupt mask register
 * @param isr in-service register
 * @param elcr 1 = this input is level triggered (the chip set's edge/level register)
 * @param levelMode ICW1.LTIM: all inputs level triggered
 * @param vectorBase ICW2, the low three bits 0
 * @param lowestPriority the input of lowest priority, 7 unless rotated
 * @param initStep 0 ready, else the number (2..4) of the initialization word expected next
 * @param cascaded ICW1.SNGL clear: an ICW3 follows ICW2
 * @param expectIcw4 ICW1.IC4
 * @param autoEoi ICW4.AEOI
 * @param fullyNested ICW4.SFNM, special fully nested mode
 * @param rotateOnAutoEoi OCW2: rotate in automatic end of interrupt mode
 * @param specialMask OCW3: special mask mode
 * @param readIsr OCW3: the command port reads the in-service register
 * @param poll OCW3.P: the next read acknowledges like INTA
 */
public record PicChipState(
    int lines,
    int edges,
    int imr,
    int isr,
    int elcr,
    boolean levelMode,
    int vectorBase,
    int lowestPriority,
    int initStep,
    boolean cascaded,
    boolean expectIcw4,
    boolean autoEoi,
    boolean fullyNested,
    boolean rotateOnAutoEoi,
    boolean specialMask,
    boolean readIsr,
    boolean poll)
    implements DeviceState {
  /** Checks every range, so that a chip can be restored from any state that exists. */
  public PicChipState {
    checkByte("lines", lines);
    checkByte("edges", edges);
    checkByte("imr", imr);
    checkByte("isr", isr);
    checkByte("elcr", elcr);
    checkByte("vectorBase", vectorBase);
    if ((vectorBase & 7) != 0) {
      throw new IllegalArgumentException("pic: vectorBase " + vectorBase + " has low bits set");
    }
    if (lowestPriority < 0 || lowestPriority > 7) {
      throw new IllegalArgumentException("pic: lowestPriority " + lowestPriority + ", not 0..7");
    }
    if (initStep != 0 && (initStep < 2 || initStep > 4)) {
      throw new IllegalArgumentException("pic: initStep " + initStep + ", not 0 or 2..4");
    }
  }

  private static void checkByte(String what, int value) {
    if ((value & ~0xff) != 0) {
      throw new IllegalArgumentException("pic: " + what + " " + value + ", not 0..255");
    }
  }
}
