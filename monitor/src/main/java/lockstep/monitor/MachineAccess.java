package lockstep.monitor;

import lockstep.kvm.GuestMemory;
import lockstep.kvm.VcpuFd;
import lockstep.kvm.VcpuState;
import lockstep.kvm.VmFd;
import lockstep.monitor.input.StoppedMachine;
import lockstep.monitor.state.StateCodec;
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
  private final DeviceRam ram;
  private final Devices devices;
  private boolean tracking;
  private boolean pagesReplaced;

  MachineAccess(
      VcpuLoop loop, VmFd vm, VcpuFd vcpu, GuestMemory memory, DeviceRam ram, Devices devices) {
    this.loop = loop;
    this.vm = vm;
    this.vcpu = vcpu;
    this.memory = memory;
    this.ram = ram;
    this.devices = devices;
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
      vm.forgetPageTables(memory, tracking);
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
    tracking = true;
    vm.setMemory(memory, true);
    ram.track();
  }

  @Override
  public void takeDirtyPages(PageSink sink) throws SysException {
    loop.completeInstruction();
    for (GuestMemory.Region region : memory.regions()) {
      long[] dirty = vm.dirtyLog(region);
      ram.addTo(dirty, region.start() / PAGE_BYTES, region.pages());
      for (int word = 0; word < dirty.length; word++) {
        for (long bits = dirty[word]; bits != 0; bits &= bits - 1) {
          long page = (long) word * Long.SIZE + Long.numberOfTrailingZeros(bits);
          long address = region.start() + page * PAGE_BYTES;
          byte[] content = new byte[PAGE_BYTES];
          memory.read(address, content, 0, PAGE_BYTES);
          sink.page(address, content);
        }
      }
    }
  }

  @Override
  public void replacePage(long address, byte[] content) {
    if (content.length != PAGE_BYTES
        || address % PAGE_BYTES != 0
        || !memory.contains(address, PAGE_BYTES)) {
      throw new IllegalArgumentException(
          "%d bytes at 0x%x are no page of RAM".formatted(content.length, address));
    }
    memory.write(address, content, 0, PAGE_BYTES);
    pagesReplaced = true;
  }

  @Override
  public String registerDump() throws SysException {
    loop.completeInstruction();
    return RegisterDump.of(vcpu, memory);
  }
}
