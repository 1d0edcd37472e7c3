package lockstep.monitor.quirk;

import java.util.HexFormat;
import java.util.Optional;

/**
 * Repairs SYSCALL on a KVM whose user-level SYSCALL arrives at LSTAR still at user level
 * (docs/host-kvm.md). The CPU then faults on its first fetch: #PF with error code 0x15 (present,
 * user, instruction fetch) and RIP = LSTAR, while RCX and R11 already hold what SYSCALL saves. The
 * page-fault handler's first call is retargeted to a stub in the int3 padding between functions:
 * for exactly that fault it puts the user's RSP back and jumps to LSTAR, otherwise it goes on to
 * the call's old target.
 *
 * <p>The stub is a pure function of guest state at the guest's write to LSTAR, so a replay makes
 * the same one.
 */
final class SyscallShim {
  private static final int CALL_REL32 = 0xe8;
  private static final int CALL_BYTES = 5;
  private static final int INT3 = 0xcc;

  /** The handler's first call comes within its first instructions: clac, cld, call. */
  private static final int HANDLER_SCAN_BYTES = 32;

  /** Padding is looked for this far behind the handler; a kernel's entry text is near its end. */
  private static final int PADDING_SCAN_BYTES = 4 << 20;

  private static final int PAGE_BYTES = 4096;

  /**
   * The stub at its call's entry: [rsp] return address, [rsp+8] error code, [rsp+16] RIP, [rsp+40]
   * RSP of the interrupted code.
   */
  private static final byte[] STUB =
      HexFormat.of()
          .parseHex(
              "817c240815000000" // cmp dword [rsp+8], 0x15
                  + "7515" // jne other
                  + "48817c2410" // cmp qword [rsp+16],
                  + "00000000" //     LSTAR, sign-extended
                  + "750a" // jne other
                  + "488b642428" // mov rsp, [rsp+40]
                  + "e900000000" // jmp LSTAR
                  + "e900000000"); // other: jmp to the call's old target

  private static final int LSTAR_IMMEDIATE_AT = 15;
  private static final int LSTAR_JUMP_END = 31;
  private static final int OTHER_JUMP_END = 36;

  private SyscallShim() {}

  /** The guest's kernel text by virtual address, as the CPU sees it now. */
  interface Text {
    /** Reads {@code into.length} bytes; false where the address is not mapped. */
    boolean read(long address, byte[] into);

    /** Writes to what was read before; false where the address is not mapped. */
    boolean write(long address, byte[] from);
  }

  /**
   * Puts the shim in place.
   *
   * @param text the kernel's text
   * @param lstar the system call entry, a canonical kernel address
   * @param pageFaultHandler where the IDT's gate 14 points
   * @return what stopped it, empty if it is in place
   */
  static Optional<String> install(Text text, long lstar, long pageFaultHandler) {
    if (lstar != (int) lstar) {
      return Optional.of("the system call entry is outside the top 2 GiB");
    }
    byte[] handler = new byte[HANDLER_SCAN_BYTES];
    if (!text.read(pageFaultHandler, handler)) {
      return Optional.of("the page-fault handler is not mapped");
    }
    int call = firstCall(handler);
    if (call < 0) {
      return Optional.of("the page-fault handler does not begin with a call");
    }
    long callEnd = pageFaultHandler + call + CALL_BYTES;
    long oldTarget = callEnd + littleEndian(handler, call + 1);
    Optional<Long> padding = findPadding(text, callEnd);
    if (padding.isEmpty()) {
      return Optional.of("no padding after the page-fault handler has room for the stub");
    }
    long stubAt = padding.get();
    byte[] stub = STUB.clone();
    putLittleEndian(stub, LSTAR_IMMEDIATE_AT, (int) lstar);
    putLittleEndian(stub, LSTAR_JUMP_END - 4, (int) (lstar - (stubAt + LSTAR_JUMP_END)));
    putLittleEndian(stub, OTHER_JUMP_END - 4, (int) (oldTarget - (stubAt + OTHER_JUMP_END)));
    byte[] newCall = new byte[CALL_BYTES];
    newCall[0] = (byte) CALL_REL32;
    putLittleEndian(newCall, 1, (int) (stubAt - callEnd));
    return text.write(stubAt, stub) && text.write(pageFaultHandler + call, newCall)
        ? Optional.empty()
        : Optional.of("the kernel's text could not be written");
  }

  private static int firstCall(byte[] code) {
    for (int i = 0; i + CALL_BYTES <= code.length; i++) {
      if ((code[i] & 0xff) == CALL_REL32) {
        return i;
      }
    }
    return -1;
  }

  /** The first run of int3 long enough for the stub, inside one page, one int3 left before it. */
  private static Optional<Long> findPadding(Text text, long from) {
    byte[] page = new byte[PAGE_BYTES];
    long start = from & -PAGE_BYTES;
    for (long at = start; at < start + PADDING_SCAN_BYTES; at += PAGE_BYTES) {
      if (!text.read(at, page)) {
        return Optional.empty();
      }
      int run = 0;
      for (int i = at == start ? (int) (from - at) : 0; i < PAGE_BYTES; i++) {
        run = (page[i] & 0xff) == INT3 ? run + 1 : 0;
        if (run == STUB.length + 1) {
          return Optional.of(at + i + 1 - STUB.length);
        }
      }
    }
    return Optional.empty();
  }

  private static int littleEndian(byte[] bytes, int at) {
    return (bytes[at] & 0xff)
        | (bytes[at + 1] & 0xff) << 8
        | (bytes[at + 2] & 0xff) << 16
        | bytes[at + 3] << 24;
  }

  private static void putLittleEndian(byte[] bytes, int at, int value) {
    for (int i = 0; i < 4; i++) {
      bytes[at + i] = (byte) (value >>> (8 * i));
    }
  }
}
