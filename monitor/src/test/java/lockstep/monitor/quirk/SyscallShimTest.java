package lockstep.monitor.quirk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SyscallShimTest {
  private static final long TEXT_START = 0xffff_ffff_8060_0000L;
  private static final long LSTAR = TEXT_START + 0x40;
  private static final long HANDLER = TEXT_START + 0xaf0;
  private static final long ERROR_ENTRY = TEXT_START + 0xe50;
  private static final long PADDING = TEXT_START + 0x2003;

  private final FakeText text = new FakeText();

  @Test
  void theHandlersFirstCallLeadsToTheStubAndTheStubToBothTargets() {
    text.put(HANDLER, 0x0f, 0x01, 0xca, 0xfc);
    call(HANDLER + 4, ERROR_ENTRY);
    text.fill(PADDING, 64, 0xcc);

    assertEquals(Optional.empty(), SyscallShim.install(text, LSTAR, HANDLER));

    long stub = callTarget(HANDLER + 4);
    assertTrue(stub > PADDING && stub + 36 <= PADDING + 64, "in the padding");
    assertEquals(LSTAR, (long) text.intAt(stub + 15), "compares RIP with LSTAR");
    assertEquals(LSTAR, stub + 31 + text.intAt(stub + 27), "jumps to LSTAR");
    assertEquals(ERROR_ENTRY, stub + 36 + text.intAt(stub + 32), "jumps to the old target");
    assertEquals(0xcc, text.byteAt(stub - 1), "one int3 stays before the stub");
  }

  @Test
  void aHandlerWithoutACallIsLeftAlone() {
    text.fill(PADDING, 64, 0xcc);
    byte[] before = text.bytes.clone();

    assertTrue(SyscallShim.install(text, LSTAR, HANDLER).isPresent());

    assertArrayEquals(before, text.bytes);
  }

  @Test
  void aKernelWithoutPaddingIsLeftAlone() {
    call(HANDLER, ERROR_ENTRY);
    text.fill(PADDING, 36, 0xcc);
    byte[] before = text.bytes.clone();

    assertTrue(SyscallShim.install(text, LSTAR, HANDLER).isPresent());

    assertArrayEquals(before, text.bytes);
  }

  @Test
  void anEntryOutsideTheTopTwoGigabytesIsRefused() {
    assertTrue(SyscallShim.install(text, 0x1234_5678_9abcL, HANDLER).isPresent());
  }

  @Test
  void anUnmappedHandlerIsRefused() {
    assertTrue(SyscallShim.install(text, LSTAR, TEXT_START - 4096).isPresent());
  }

  private void call(long at, long target) {
    int relative = (int) (target - (at + 5));
    text.put(at, 0xe8, relative, relative >> 8, relative >> 16, relative >> 24);
  }

  private long callTarget(long at) {
    assertEquals(0xe8, text.byteAt(at));
    return at + 5 + text.intAt(at + 1);
  }

  /** Four pages of kernel text, all zero. */
  private static final class FakeText implements SyscallShim.Text {
    final byte[] bytes = new byte[4 * 4096];

    void put(long address, int... octets) {
      for (int i = 0; i < octets.length; i++) {
        bytes[(int) (address - TEXT_START) + i] = (byte) octets[i];
      }
    }

    void fill(long address, int count, int value) {
      int from = (int) (address - TEXT_START);
      Arrays.fill(bytes, from, from + count, (byte) value);
    }

    int byteAt(long address) {
      return bytes[(int) (address - TEXT_START)] & 0xff;
    }

    int intAt(long address) {
      return byteAt(address)
          | byteAt(address + 1) << 8
          | byteAt(address + 2) << 16
          | byteAt(address + 3) << 24;
    }

    @Override
    public boolean read(long address, byte[] into) {
      return copy(address, into, false);
    }

    @Override
    public boolean write(long address, byte[] from) {
      return copy(address, from, true);
    }

    private boolean copy(long address, byte[] buffer, boolean write) {
      long at = address - TEXT_START;
      if (at < 0 || at + buffer.length > bytes.length) {
        return false;
      }
      if (write) {
        System.arraycopy(buffer, 0, bytes, (int) at, buffer.length);
      } else {
        System.arraycopy(bytes, (int) at, buffer, 0, buffer.length);
      }
      return true;
    }
  }
}
