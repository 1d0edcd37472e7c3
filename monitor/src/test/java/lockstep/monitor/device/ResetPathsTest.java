package lockstep.monitor.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** The ways by which a guest resets or ends its machine: i8042, port 0x92, 0xcf9, 0xf4. */
class ResetPathsTest {
  private final FakeLine line = new FakeLine();
  private int resets;
  private final I8042 keyboard = new I8042(line, () -> resets++);

  private int command(int value) {
    keyboard.commandPort().write(0, 1, value);
    return keyboard.commandPort().read(0, 1);
  }

  @Test
  void keyboardControllerPulsesReset() {
    command(0xff);
    assertEquals(0, resets);
    command(0xfe);
    assertEquals(1, resets);
    command(0xd1);
    keyboard.dataPort().write(0, 1, 2);
    assertEquals(2, resets);
    keyboard.fastPort().write(0, 1, 2);
    assertEquals(2, resets);
    keyboard.fastPort().write(0, 1, 3);
    assertEquals(3, resets);
  }

  @Test
  void linuxProbesEndAtOnce() {
    assertEquals(1, command(0xaa) & 1);
    assertEquals(0x55, keyboard.dataPort().read(0, 1));
    assertEquals(0, keyboard.commandPort().read(0, 1) & 1);
    command(0x60);
    keyboard.dataPort().write(0, 1, 0x31);
    command(0x20);
    assertTrue(line.high);
    assertEquals(0x31, keyboard.dataPort().read(0, 1));
    assertFalse(line.high);
    command(0xd3);
    keyboard.dataPort().write(0, 1, 0x5a);
    assertEquals(0x01, keyboard.commandPort().read(0, 1) & 0x21, "no auxiliary data: no mouse");
    keyboard.dataPort().read(0, 1);
    keyboard.dataPort().write(0, 1, 0xf2);
    assertEquals(0xfe, keyboard.dataPort().read(0, 1), "no keyboard");
    I8042 copy = new I8042(new FakeLine(), () -> {});
    copy.restore(keyboard.save());
    assertEquals(keyboard.save(), copy.save());
  }

  @Test
  void resetControlAndExitPortCallOut() {
    ResetControl control = new ResetControl(() -> resets++);
    control.write(0, 1, 0x02);
    assertEquals(2, control.read(0, 1));
    assertEquals(0, resets);
    control.write(0, 1, 0x06);
    assertEquals(1, resets);
    int[] code = {-1};
    new DebugExit(value -> code[0] = value).write(0, 1, 0x31);
    assertEquals(0x31, code[0]);
  }
}
