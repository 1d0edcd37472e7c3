package lockstep.monitor;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.VmFd;
import lockstep.sys.SysException;

/**
 * Which pages of guest memory were written, by the guest or by devices, for any number of askers
 * who ask at different times: KVM's dirty log is empty once anybody has read it. vCPU thread only.
 */
final class DirtyPages {
  private final VmFd vm;
  private final GuestMemory memory;
  private final DeviceRam ram;
  private final List<Asker> askers = new ArrayList<>();

  DirtyPages(VmFd vm, GuestMemory memory, DeviceRam ram) {
    this.vm = vm;
    this.memory = memory;
    this.ram = ram;
  }

  /** Sees every page that is written from its making on; close it, because tracking costs. */
  final class Asker implements AutoCloseable {
    private final List<long[]> waiting = new ArrayList<>();

    private Asker() {
      for (GuestMemory.Region region : memory.regions()) {
        waiting.add(new long[Math.toIntExact(Math.ceilDiv(region.pages(), Long.SIZE))]);
      }
    }

    /**
     * Adds the pages that were written since this was last asked.
     *
     * @param to one bitmap for each block of memory: bit n % 64 of element n / 64 is page n
     */
    void addTo(List<long[]> to) throws SysException {
      fetch();
      for (int i = 0; i < waiting.size(); i++) {
        or(waiting.get(i), to.get(i));
        Arrays.fill(waiting.get(i), 0);
      }
    }

    /** One empty bitmap for each block of memory. */
    List<long[]> none() {
      return waiting.stream().map(words -> new long[words.length]).toList();
    }

    @Override
    public void close() throws SysException {
      if (askers.remove(this) && askers.isEmpty()) {
        vm.setMemory(memory, false);
      }
    }
  }

  /** A new asker, who sees nothing that was written before. */
  Asker ask() throws SysException {
    if (askers.isEmpty()) {
      vm.setMemory(memory, true);
      ram.track();
    } else {
      fetch();
    }
    Asker asker = new Asker();
    askers.add(asker);
    return asker;
  }

  /** Whether KVM tracks them now. */
  boolean isTracking() {
    return !askers.isEmpty();
  }

  private void fetch() throws SysException {
    List<GuestMemory.Region> regions = memory.regions();
    for (int i = 0; i < regions.size(); i++) {
      GuestMemory.Region region = regions.get(i);
      long[] dirty = vm.dirtyLog(region);
      ram.addTo(dirty, region.start() / GuestMemory.PAGE_BYTES, region.pages());
      for (Asker asker : askers) {
        or(dirty, asker.waiting.get(i));
      }
    }
  }

  private static void or(long[] from, long[] into) {
    for (int i = 0; i < into.length; i++) {
      into[i] |= from[i];
    }
  }
}
