package lockstep.monitor;

import java.util.List;
import java.util.Optional;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.VcpuFd;
import lockstep.kvm.VcpuState;
import lockstep.kvm.VmFd;
import lockstep.monitor.input.CodeAt;
import lockstep.monitor.input.StoppedMachine;
import lockstep.monitor.state.StateCodec;
import lockstep.monitor.vcpu.CodeWindow;
import lockstep.monitor.vcpu.RegisterDump;
import lockstep.monitor.vcpu.VcpuLoop;
import lockstep.sys.SysException;

/** What an InputSource may see and change of the whole machine at a stop. */
final class MachineAccess implements StoppedMachine {
  private static final int PAGE_BYTES = (int) GuestMemory.PAGE_BYTES;

  private final VcpuLoop loop;
  private final VmFd vm;
  private final VcpuFd vcpu;
  private final GuestMemory memory;
  private final DirtyPages dirtyPages;
  private final Devices devices;
  private Optional<DirtyPages.Asker> dirty = Optional.empty();
  private boolean pagesReplaced;
  private final StagedPages staged;

  MachineAccess(
      VcpuLoop loop,
      VmFd vm,
      VcpuFd vcpu,
      GuestMemory memory,
      DirtyPages dirtyPages,
      Devices devices,
      StagedPages staged) {
    this.loop = loop;
    this.vm = vm;
    this.vcpu = vcpu;
    this.memory = memory;
    this.dirtyPages = dirtyPages;
    this.devices = devices;
    this.staged = staged;
  }

  @Override
  public byte[] cpuState() throws SysException {
    loop.completeInstruction();
    return vcpu.state().capture().encode();
  }

  @Override
  public void replaceCpuState(byte[] encoded) throws SysException {
    loop.completeInstruction();
    if (pagesReplaced) {
      pagesReplaced = false;
      vm.forgetPageTables(memory, dirtyPages.isTracking());
    }
    vcpu.state().restore(VcpuState.decode(encoded));
    loop.cpuStateReplaced();
  }

  @Override
  public byte[] devicesState() throws SysException {
    loop.completeInstruction();
    return StateCodec.encode(devices.save());
  }

  @Override
  public int[] memoryChecksums(int chunkBytes) throws SysException {
    loop.completeInstruction();
    int count = 0;
    for (GuestMemory.Region region : memory.regions()) {
      count += Math.toIntExact(Math.ceilDiv(region.end() - region.start(), chunkBytes));
    }
    int[] checksums = new int[count];
    int next = 0;
    for (GuestMemory.Region region : memory.regions()) {
      for (long at = region.start(); at < region.end(); at += chunkBytes) {
        checksums[next++] = memory.checksum(at, Math.min(chunkBytes, region.end() - at));
      }
    }
    return checksums;
  }

  @Override
  public long memoryBytes() {
    return memory.sizeBytes();
  }

  @Override
  public void trackDirtyPages() throws SysException {
    // The new one first, so that tracking does not end in between.
    DirtyPages.Asker fresh = dirtyPages.ask();
    Optional<DirtyPages.Asker> earlier = dirty;
    dirty = Optional.of(fresh);
    if (earlier.isPresent()) {
      earlier.get().close();
    }
  }

  @Override
  public void untrackDirtyPages() throws SysException {
    Optional<DirtyPages.Asker> earlier = dirty;
    dirty = Optional.empty();
    if (earlier.isPresent()) {
      earlier.get().close();
    }
  }

  @Override
  public void takeDirtyPages(PageSink sink) throws SysException {
    loop.completeInstruction();
    DirtyPages.Asker asker =
        dirty.orElseThrow(() -> new IllegalStateException("dirty pages are not tracked"));
    List<long[]> pages = asker.none();
    asker.addTo(pages);
    for (int i = 0; i < pages.size(); i++) {
      take(memory.regions().get(i).start(), pages.get(i), sink);
    }
  }

  private void take(long start, long[] pages, PageSink sink) {
    for (int word = 0; word < pages.length; word++) {
      for (long bits = pages[word]; bits != 0; bits &= bits - 1) {
        long page = (long) word * Long.SIZE + Long.numberOfTrailingZeros(bits);
        long address = start + page * PAGE_BYTES;
        byte[] content = new byte[PAGE_BYTES];
        memory.read(address, content, 0, PAGE_BYTES);
        sink.page(address, content);
      }
    }
  }

  @Override
  public void stagePage(long address, byte[] content) throws SysException {
    checkPage(address, content);
    staged.add(address, content);
  }

  @Override
  public long takeStagedPages() {
    long count = staged.moveTo(memory);
    pagesReplaced |= count > 0;
    return count;
  }

  private void checkPage(long address, byte[] content) {
    if (content.length != PAGE_BYTES
        || address % PAGE_BYTES != 0
        || !memory.contains(address, PAGE_BYTES)) {
      throw new IllegalArgumentException(
          "%d bytes at 0x%x are no page of RAM".formatted(content.length, address));
    }
  }

  @Override
  public void replacePage(long address, byte[] content) {
    checkPage(address, content);
    memory.write(address, content, 0, PAGE_BYTES);
    pagesReplaced = true;
  }

  @Override
  public String registerDump() throws SysException {
    loop.completeInstruction();
    return RegisterDump.of(vcpu, memory);
  }

  @Override
  public CodeAt code() throws SysException {
    loop.completeInstruction();
    return CodeWindow.of(vcpu, memory);
  }
}
