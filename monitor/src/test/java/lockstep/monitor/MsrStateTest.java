package lockstep.monitor;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import lockstep.kvm.VcpuStateAccess;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.vcpu.MsrExits;
import org.junit.jupiter.api.Test;

class MsrStateTest {
  /** EFER, FS.base, GS.base: KVM_GET_SREGS has them. */
  private static final Set<Integer> IN_SREGS = Set.of(0xc000_0080, 0xc000_0100, 0xc000_0101);

  @Test
  void whateverAGuestCanWriteIsSavedWithIt() {
    for (int msr : MsrExits.passedThrough(QuirkSet.NONE)) {
      assertTrue(
          IN_SREGS.contains(msr) || VcpuStateAccess.isState(msr),
          () -> "MSR 0x%x reaches KVM and is not in the state".formatted(msr));
    }
  }
}
