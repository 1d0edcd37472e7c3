package lockstep.monitor;

import lockstep.kvm.GuestMemory;
import lockstep.monitor.boot.GuestRam;

/** The boot loaders' view of guest memory. */
record BootRam(GuestMemory memory) implements GuestRam {
  @Override
  public long sizeBytes() {
    return memory.sizeBytes();
  }

  @Override
  public void write(long gpa, byte[] source, int offset, int length) {
    memory.write(gpa, source, offset, length);
  }

  @Override
  public void zero(long gpa, long length) {
    memory.fill(gpa, length, (byte) 0);
  }
}
