package lockstep.monitor.probe;

import java.util.Arrays;
import lockstep.kvm.Cpuid;
import lockstep.kvm.Kvm;
import lockstep.kvm.SystemRegisters;
import lockstep.monitor.probe.ProbeGuest.Answer;
import lockstep.sys.SysException;

/**
 * Executes one instruction at a privilege level and tells what became of it. The guest notes in its
 * memory how far it came, because user code has no port to answer by on a KVM that honours IOPL.
 */
public final class InstructionProbe {
  private static final long NOTES = ProbeGuest.USER_CODE + 0x1000;
  private static final int STARTED = 1;
  private static final int FINISHED = 2;
  private static final long CR4_TSD = 1 << 2;

  /** What became of the instruction. */
  public sealed interface Outcome {
    /** It executed and left these registers. */
    record Executed(int eax, int ebx, int ecx, int edx) implements Outcome {}

    /** It raised an exception. */
    record Faulted() implements Outcome {}

    /** It left the guest, or KVM gave up on it. */
    record Exited(int exitReason) implements Outcome {}

    /** The guest did not come so far, or not back: nothing can be said. */
    record Unclear() implements Outcome {}
  }

  /** A privilege level. */
  public enum Level {
    /** CPL 0. */
    KERNEL,
    /** CPL 3. */
    USER
  }

  private InstructionProbe() {}

  /** RAX = RCX = 0 before the instruction. */
  public static Outcome execute(Kvm kvm, Cpuid cpuid, Level level, int... instruction)
      throws SysException {
    return execute(kvm, cpuid, level, false, instruction);
  }

  /** The same with CR4.TSD set. */
  public static Outcome executeWithTsd(Kvm kvm, Cpuid cpuid, Level level, int... instruction)
      throws SysException {
    return execute(kvm, cpuid, level, true, instruction);
  }

  private static Outcome execute(Kvm kvm, Cpuid cpuid, Level level, boolean tsd, int... instruction)
      throws SysException {
    try (ProbeGuest guest = new ProbeGuest(kvm, cpuid)) {
      if (tsd) {
        SystemRegisters system = guest.vcpu().sregs();
        guest.vcpu().readSregs();
        system.control(system.cr0(), system.cr3(), system.cr4() | CR4_TSD, system.efer());
        guest.vcpu().writeSregs();
      }
      int[] body = body(instruction);
      switch (level) {
        case KERNEL -> guest.code(ProbeGuest.KERNEL_CODE, body);
        case USER -> guest.enterUser().code(ProbeGuest.USER_CODE, body);
      }
      Answer answer = guest.run();
      int state = guest.word(NOTES);
      if (state == FINISHED) {
        return new Outcome.Executed(
            guest.word(NOTES + 8),
            guest.word(NOTES + 12),
            guest.word(NOTES + 16),
            guest.word(NOTES + 20));
      }
      if (state != STARTED) {
        return new Outcome.Unclear();
      }
      return switch (answer) {
        case Answer.TripleFault _ -> new Outcome.Faulted();
        case Answer.OtherExit exit -> new Outcome.Exited(exit.reason());
        case Answer.Value _, Answer.Silent _ -> new Outcome.Unclear();
      };
    }
  }

  private static int[] body(int... instruction) {
    int[] before = {
      0xc7, 0x04, 0x25, 0x00, 0x10, 0x20, 0x00, STARTED, 0, 0, 0, // mov dword [NOTES], STARTED
      0x31, 0xc0, // xor eax, eax
      0x31, 0xc9, // xor ecx, ecx
    };
    int[] after = {
      0x89, 0x04, 0x25, 0x08, 0x10, 0x20, 0x00, // mov [NOTES + 8], eax
      0x89, 0x1c, 0x25, 0x0c, 0x10, 0x20, 0x00, // mov [NOTES + 12], ebx
      0x89, 0x0c, 0x25, 0x10, 0x10, 0x20, 0x00, // mov [NOTES + 16], ecx
      0x89, 0x14, 0x25, 0x14, 0x10, 0x20, 0x00, // mov [NOTES + 20], edx
      0xc7, 0x04, 0x25, 0x00, 0x10, 0x20, 0x00, FINISHED, 0, 0, 0, // mov dword [NOTES], FINISHED
      0x0f, 0x0b, // ud2: there is no IDT, so this ends the guest
    };
    int[] whole = Arrays.copyOf(before, before.length + instruction.length + after.length);
    System.arraycopy(instruction, 0, whole, before.length, instruction.length);
    System.arraycopy(after, 0, whole, before.length + instruction.length, after.length);
    return whole;
  }
}
