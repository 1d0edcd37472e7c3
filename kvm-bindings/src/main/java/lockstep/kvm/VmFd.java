package lockstep.kvm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import lockstep.sys.Fd;
import lockstep.sys.Posix;
import lockstep.sys.SysException;
import lockstep.uapi.kvm_clear_dirty_log;
import lockstep.uapi.kvm_dirty_log;
import lockstep.uapi.kvm_enable_cap;
import lockstep.uapi.kvm_h;
import lockstep.uapi.kvm_msr_filter;
import lockstep.uapi.kvm_msr_filter_range;
import lockstep.uapi.kvm_userspace_memory_region;

/** A virtual machine: its memory slots, its MSR filter, its vCPU. */
public final class VmFd implements AutoCloseable {
  /** Where VMX puts its task state segment without unrestricted guest: below the BIOS, 3 pages. */
  private static final long TSS_ADDRESS = 0xfffb_d000L;

  private static final long IDENTITY_MAP_ADDRESS = 0xfffb_c000L;
  private static final int MSR_BITMAP_BYTES = 0x2000 / 8;
  private static final int[] MSR_BASES = {0, 0xc000_0000, 0xc001_0000};

  private static final int PAGES_PER_LONG = Long.SIZE;

  private final Fd fd;
  private final long runBytes;
  private final int[] msrIndices;

  VmFd(Fd fd, long runBytes, int[] msrIndices) {
    this.fd = fd;
    this.msrIndices = msrIndices;
    this.runBytes = runBytes;
  }

  /** Reserves the pages that VMX needs in the guest-physical space; harmless elsewhere. */
  public void reserveVmxPages() throws SysException {
    // Safe: takes a number, a guest-physical address.
    Posix.ioctl(fd, kvm_h.KVM_SET_TSS_ADDR, TSS_ADDRESS, "KVM_SET_TSS_ADDR");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment address = arena.allocate(8, 8);
      address.set(ValueLayout.JAVA_LONG, 0, IDENTITY_MAP_ADDRESS);
      // Safe: the kernel reads one u64 during the call.
      Posix.ioctl(
          fd, kvm_h.KVM_SET_IDENTITY_MAP_ADDR, address.address(), "KVM_SET_IDENTITY_MAP_ADDR");
    }
  }

  /**
   * Makes RAM visible to the guest.
   *
   * @param dirtyLog whether to track written pages from now on
   */
  public void setMemory(GuestMemory memory, boolean dirtyLog) throws SysException {
    for (GuestMemory.Region region : memory.regions()) {
      setSlot(region, region.host().byteSize(), dirtyLog);
    }
  }

  /**
   * Makes KVM forget all that it derived from the guest's page tables. Needed after the monitor has
   * changed pages that may hold page tables: where KVM shadows them, it sees the guest's own writes
   * only. Takes RAM away and gives it back, which zaps every shadow page (Linux,
   * arch/x86/kvm/mmu/mmu.c, kvm_mmu_zap_all_fast). The vCPU must be outside KVM_RUN.
   */
  public void forgetPageTables(GuestMemory memory, boolean dirtyLog) throws SysException {
    for (GuestMemory.Region region : memory.regions()) {
      setSlot(region, 0, false);
      setSlot(region, region.host().byteSize(), dirtyLog);
    }
  }

  private void setSlot(GuestMemory.Region region, long sizeBytes, boolean dirtyLog)
      throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment slot = kvm_userspace_memory_region.allocate(arena);
      kvm_userspace_memory_region.slot(slot, region.slot());
      kvm_userspace_memory_region.flags(slot, dirtyLog ? (int) kvm_h.KVM_MEM_LOG_DIRTY_PAGES : 0);
      kvm_userspace_memory_region.guest_phys_addr(slot, region.start());
      kvm_userspace_memory_region.memory_size(slot, sizeBytes);
      kvm_userspace_memory_region.userspace_addr(slot, region.host().address());
      // Safe: the mapping outlives the VM: Machine closes the VM before its memory.
      Posix.ioctl(
          fd, kvm_h.KVM_SET_USER_MEMORY_REGION, slot.address(), "KVM_SET_USER_MEMORY_REGION");
    }
  }

  /**
   * Fetches a block's dirty log and, unless {@link #enableManualDirtyClear} was called, clears it.
   *
   * @return one bit a page from the block's start: bit n % 64 of element n / 64
   */
  public long[] dirtyLog(GuestMemory.Region region) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bitmap =
          arena.allocate(ValueLayout.JAVA_LONG, Math.ceilDiv(region.pages(), PAGES_PER_LONG));
      MemorySegment log = kvm_dirty_log.allocate(arena);
      kvm_dirty_log.slot(log, region.slot());
      kvm_dirty_log.dirty_bitmap(log, bitmap);
      // Safe: the kernel writes (pages + 63) / 64 longs, which is the bitmap's size.
      Posix.ioctl(fd, kvm_h.KVM_GET_DIRTY_LOG, log.address(), "KVM_GET_DIRTY_LOG");
      return bitmap.toArray(ValueLayout.JAVA_LONG);
    }
  }

  /**
   * From now on {@link #dirtyLog} leaves pages dirty and writable until {@link #clearDirtyLog}
   * (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2). Before the dirty log is switched on.
   */
  public void enableManualDirtyClear() throws SysException {
    enableCapability(
        kvm_h.KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1, "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
  }

  /**
   * Clears the pages whose bits are set, and tracks them anew.
   *
   * @param dirty as {@link #dirtyLog} returned it
   */
  public void clearDirtyLog(GuestMemory.Region region, long[] dirty) throws SysException {
    if (dirty.length != Math.ceilDiv(region.pages(), PAGES_PER_LONG)) {
      throw new IllegalArgumentException(
          "a bitmap of %d longs for %d pages".formatted(dirty.length, region.pages()));
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment log = kvm_clear_dirty_log.allocate(arena);
      kvm_clear_dirty_log.slot(log, region.slot());
      kvm_clear_dirty_log.first_page(log, 0);
      kvm_clear_dirty_log.num_pages(log, (int) region.pages());
      kvm_clear_dirty_log.dirty_bitmap(log, arena.allocateFrom(ValueLayout.JAVA_LONG, dirty));
      // Safe: the kernel reads (pages + 63) / 64 longs, which is the bitmap's size.
      Posix.ioctl(fd, kvm_h.KVM_CLEAR_DIRTY_LOG, log.address(), "KVM_CLEAR_DIRTY_LOG");
    }
  }

  /**
   * Lets the guest's MSR accesses through to KVM only where {@code allowed} says so; all others
   * leave as KVM_EXIT_X86_RDMSR/WRMSR.
   *
   * @param allowed MSR numbers in 0..0x1fff or 0xc0000000..0xc0001fff or 0xc0010000..0xc0011fff
   */
  public void filterMsrs(int... allowed) throws SysException {
    for (int msr : allowed) {
      if (Arrays.stream(MSR_BASES).noneMatch(base -> inRange(msr, base))) {
        throw new IllegalArgumentException("no such MSR: 0x" + Integer.toHexString(msr));
      }
    }
    enableCapability(
        kvm_h.KVM_CAP_X86_USER_SPACE_MSR,
        kvm_h.KVM_MSR_EXIT_REASON_INVAL
            | kvm_h.KVM_MSR_EXIT_REASON_UNKNOWN
            | kvm_h.KVM_MSR_EXIT_REASON_FILTER,
        "KVM_CAP_X86_USER_SPACE_MSR");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment filter = kvm_msr_filter.allocate(arena);
      kvm_msr_filter.flags(filter, kvm_h.KVM_MSR_FILTER_DEFAULT_DENY);
      for (int i = 0; i < MSR_BASES.length; i++) {
        MemorySegment bitmap = arena.allocate(MSR_BITMAP_BYTES, 8);
        for (int msr : allowed) {
          if (inRange(msr, MSR_BASES[i])) {
            int bit = msr - MSR_BASES[i];
            byte old = bitmap.get(ValueLayout.JAVA_BYTE, bit / 8);
            bitmap.set(ValueLayout.JAVA_BYTE, bit / 8, (byte) (old | 1 << bit % 8));
          }
        }
        MemorySegment range = kvm_msr_filter_range.asSlice(kvm_msr_filter.ranges(filter), i);
        kvm_msr_filter_range.flags(range, kvm_h.KVM_MSR_FILTER_READ | kvm_h.KVM_MSR_FILTER_WRITE);
        kvm_msr_filter_range.nmsrs(range, 8 * MSR_BITMAP_BYTES);
        kvm_msr_filter_range.base(range, MSR_BASES[i]);
        kvm_msr_filter_range.bitmap(range, bitmap);
      }
      // Safe: the kernel copies filter and bitmaps during the call.
      Posix.ioctl(fd, kvm_h.KVM_X86_SET_MSR_FILTER, filter.address(), "KVM_X86_SET_MSR_FILTER");
    }
  }

  private static boolean inRange(int msr, int base) {
    return Integer.compareUnsigned(msr - base, 8 * MSR_BITMAP_BYTES) < 0;
  }

  private void enableCapability(int capability, long argument, String name) throws SysException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment cap = kvm_enable_cap.allocate(arena);
      kvm_enable_cap.cap(cap, capability);
      kvm_enable_cap.args(cap).set(ValueLayout.JAVA_LONG, 0, argument);
      // Safe: the kernel reads one struct during the call.
      Posix.ioctl(fd, kvm_h.KVM_ENABLE_CAP, cap.address(), "KVM_ENABLE_CAP " + name);
    }
  }

  /** Creates the machine's only vCPU; the calling thread need not be the one that runs it. */
  public VcpuFd createVcpu() throws SysException {
    // Safe: takes a number, the vCPU's id.
    Fd vcpu = new Fd(Posix.ioctl(fd, kvm_h.KVM_CREATE_VCPU, 0, "KVM_CREATE_VCPU"), "vCPU");
    try {
      return VcpuFd.create(vcpu, runBytes, msrIndices);
    } catch (SysException | RuntimeException e) {
      vcpu.close();
      throw e;
    }
  }

  @Override
  public void close() {
    fd.close();
  }
}
