package lockstep.monitor.vcpu;

import java.util.Arrays;
import lockstep.kvm.VcpuFd;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.quirk.Quirks;
import lockstep.sys.SysException;

/**
 * Answers the MSR accesses that KVM does not handle itself, because the filter denies them or
 * because it does not know them. The answers are constants of the machine, so they are no external
 * input: registers that a PC kernel touches without asking CPUID read as zero and ignore writes;
 * every other MSR does not exist here and raises #GP, as the architecture says.
 *
 * <p>Sources: Intel SDM volume 4; AMD APM volume 2, appendix A.
 */
public final class MsrExits {
  private static final int IA32_PLATFORM_ID = 0x17;
  private static final int IA32_FEATURE_CONTROL = 0x3a;
  private static final int IA32_BIOS_UPDATE_TRIGGER = 0x79;
  private static final int IA32_BIOS_SIGN_ID = 0x8b;
  private static final int IA32_MISC_ENABLE = 0x1a0;
  private static final int AMD_SYSCFG = 0xc001_0010;
  private static final int AMD_HWCR = 0xc001_0015;
  private static final int AMD_NB_CFG = 0xc001_001f;
  private static final int AMD_OSVW_ID_LENGTH = 0xc001_0140;
  private static final int AMD_LS_CFG = 0xc001_1020;
  private static final int AMD_DE_CFG = 0xc001_1029;
  private static final int AMD_BU_CFG2 = 0xc001_102a;

  private final Quirks quirks;
  private long refused;

  /**
   * The MSRs that KVM handles: vCPU state that is saved and restored, and nothing that shows the
   * host.
   */
  public static int[] passedThrough(QuirkSet quirks) {
    int[] state = {
      0x174,
      0x175,
      0x176, // SYSENTER_CS, _ESP, _EIP
      0x277, // PAT
      0xc000_0080, // EFER
      0xc000_0081,
      0xc000_0083,
      0xc000_0084, // STAR, CSTAR, SFMASK
      0xc000_0100,
      0xc000_0101,
      0xc000_0102, // FS.base, GS.base, KernelGSbase
      Quirks.MSR_LSTAR,
    };
    return quirks.syscallShim() ? Arrays.copyOf(state, state.length - 1) : state;
  }

  /** How many accesses raised #GP since the machine was created. */
  public long refused() {
    return refused;
  }

  /**
   * @param quirks told of writes to LSTAR where it asked for them
   */
  public MsrExits(Quirks quirks) {
    this.quirks = quirks;
  }

  void read(VcpuFd vcpu) throws SysException {
    if (vcpu.msrIndex() == Quirks.MSR_LSTAR && quirks.watchesLstar()) {
      vcpu.msrData(vcpu.getMsr(Quirks.MSR_LSTAR));
      vcpu.msrError(false);
    } else if (readsAsZero(vcpu.msrIndex())) {
      vcpu.msrData(0);
      vcpu.msrError(false);
    } else {
      refused++;
      vcpu.msrError(true);
    }
  }

  void write(VcpuFd vcpu) throws SysException {
    if (vcpu.msrIndex() == Quirks.MSR_LSTAR && quirks.watchesLstar()) {
      // The guest's value: KVM refuses an address that is not canonical, and so would the CPU.
      boolean taken = vcpu.trySetMsr(Quirks.MSR_LSTAR, vcpu.msrData());
      if (taken) {
        quirks.lstarWritten(vcpu, vcpu.msrData());
      } else {
        refused++;
      }
      vcpu.msrError(!taken);
      return;
    }
    boolean ignored = readsAsZero(vcpu.msrIndex());
    if (!ignored) {
      refused++;
    }
    vcpu.msrError(!ignored);
  }

  private static boolean readsAsZero(int index) {
    return switch (index) {
      case IA32_PLATFORM_ID,
          IA32_FEATURE_CONTROL,
          IA32_BIOS_UPDATE_TRIGGER,
          IA32_BIOS_SIGN_ID,
          IA32_MISC_ENABLE,
          AMD_SYSCFG,
          AMD_HWCR,
          AMD_NB_CFG,
          AMD_OSVW_ID_LENGTH,
          AMD_LS_CFG,
          AMD_DE_CFG,
          AMD_BU_CFG2 ->
          true;
      default -> false;
    };
  }
}
