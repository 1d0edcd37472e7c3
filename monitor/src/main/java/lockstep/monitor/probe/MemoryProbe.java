package lockstep.monitor.probe;

import lockstep.kvm.Cpuid;
import lockstep.kvm.Kvm;
import lockstep.sys.SysException;

/** Whether the dirty log names exactly the page that a guest wrote. */
public final class MemoryProbe {
  private static final long WRITTEN = 0x30_0000;
  private static final int PAGE_SHIFT = 12;
  private static final long UNTOUCHED = 0x3f_0000;

  private MemoryProbe() {}

  /** Whether a page written by the guest is in the log, and one that nobody touched is not. */
  public static boolean dirtyLogWorks(Kvm kvm, Cpuid cpuid) throws SysException {
    try (ProbeGuest guest = new ProbeGuest(kvm, cpuid)) {
      guest.code(
          ProbeGuest.KERNEL_CODE,
          0xa3,
          0,
          0,
          0x30,
          0,
          0,
          0,
          0,
          0, // mov [WRITTEN], eax
          0xe7,
          ProbeGuest.ANSWER_PORT); // out 0x10, eax
      guest.trackDirtyPages();
      guest.run();
      boolean[] dirty = guest.dirtyPages();
      return dirty[(int) (WRITTEN >> PAGE_SHIFT)] && !dirty[(int) (UNTOUCHED >> PAGE_SHIFT)];
    }
  }
}
