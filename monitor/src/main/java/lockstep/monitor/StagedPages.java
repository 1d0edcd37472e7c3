package lockstep.monitor;

import java.util.BitSet;
import lockstep.kvm.GuestMemory;
import lockstep.sys.SysException;

/**
 * Pages of guest memory that wait for the rest of their state-sync: a second guest memory, outside
 * the heap, which costs the host only the pages that wait. vCPU thread only.
 */
final class StagedPages {
  /**
   * Up to so many pages the memory is kept for the next state-sync, which is soon: to map and to
   * give back costs more than to use it again. 16 MiB.
   */
  private static final int KEPT_PAGES = 1 << 12;

  private final GuestMemory guest;
  private final BitSet waiting = new BitSet();
  private GuestMemory pages;
  private boolean mapped;

  /** Pages that have been put into this mapping: at least as many as it takes. */
  private long added;

  StagedPages(GuestMemory guest) {
    this.guest = guest;
    this.pages = guest;
  }

  /** Keeps a page of RAM; one that came earlier at this address is gone. */
  void add(long address, byte[] content) throws SysException {
    if (!mapped) {
      pages = GuestMemory.allocate(guest.sizeBytes(), MachineLayout.LOW_RAM_LIMIT);
      mapped = true;
    }
    pages.write(address, content, 0, content.length);
    waiting.set(Math.toIntExact(address / GuestMemory.PAGE_BYTES));
    added++;
  }

  /** Moves all that waits into the guest's memory; returns how many pages that were. */
  long moveTo(GuestMemory memory) {
    int count = waiting.cardinality();
    for (int page = waiting.nextSetBit(0); page >= 0; page = waiting.nextSetBit(page + 1)) {
      memory.copyFrom(pages, page * GuestMemory.PAGE_BYTES, GuestMemory.PAGE_BYTES);
    }
    waiting.clear();
    if (added > KEPT_PAGES) {
      close();
    }
    return count;
  }

  /** Gives the memory back. */
  void close() {
    waiting.clear();
    added = 0;
    if (mapped) {
      mapped = false;
      pages.close();
      pages = guest;
    }
  }
}
