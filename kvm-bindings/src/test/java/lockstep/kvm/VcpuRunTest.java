package lockstep.kvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import lockstep.sys.SysException;
import lockstep.testing.KvmRequired;
import lockstep.testing.RealModeGuest;
import lockstep.uapi.kvm_h;
import org.junit.jupiter.api.Test;

@KvmRequired
class VcpuRunTest {
  private static final int WARM_UP_EXITS = 60_000;
  private static final int MEASURED_EXITS = 5_000;

  @Test
  void aPortWriteCarriesPortSizeAndValue() throws Exception {
    try (RealModeGuest guest =
        RealModeGuest.of(
            0xb0, 0x41, // mov al, 'A'
            0xe6, 0x12, // out 0x12, al
            0xba, 0xf8, 0x03, // mov dx, 0x3f8
            0xb8, 0x34, 0x12, // mov ax, 0x1234
            0xef, // out dx, ax
            0xf4)) { // hlt
      VcpuFd vcpu = guest.vcpu();
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      assertTrue(vcpu.ioIsOut());
      assertEquals(0x12, vcpu.ioPort());
      assertEquals(1, vcpu.ioSizeBytes());
      assertEquals(1, vcpu.ioCount());
      assertEquals('A', vcpu.ioData(0));
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      assertEquals(0x3f8, vcpu.ioPort());
      assertEquals(2, vcpu.ioSizeBytes());
      assertEquals(0x1234, vcpu.ioData(0));
      assertEquals(kvm_h.KVM_EXIT_HLT, guest.runToExit());
    }
  }

  @Test
  void aPortReadReturnsWhatWasSet() throws Exception {
    try (RealModeGuest guest =
        RealModeGuest.of(
            0xe5, 0x40, // in ax, 0x40
            0xe7, 0x41, // out 0x41, ax
            0xf4)) {
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      assertFalse(guest.vcpu().ioIsOut());
      guest.vcpu().ioData(0, 0xbeef);
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      assertEquals(0xbeef, guest.vcpu().ioData(0));
    }
  }

  @Test
  void completingAPortInstructionChangesRegistersAndExecutesNothingElse() throws Exception {
    try (RealModeGuest guest =
        RealModeGuest.of(
            0xe4, 0x40, // in al, 0x40
            0xfe, 0xc0, // inc al
            0xf4)) {
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      guest.vcpu().ioData(0, 0x10);
      assertFalse(guest.vcpu().completeInstruction());
      guest.vcpu().readRegs();
      assertEquals(0x10, guest.vcpu().reg(Reg.RAX));
      assertEquals(RealModeGuest.ENTRY + 2, guest.vcpu().reg(Reg.RIP));
      assertEquals(kvm_h.KVM_EXIT_HLT, guest.runToExit());
      guest.vcpu().readRegs();
      assertEquals(0x11, guest.vcpu().reg(Reg.RAX));
    }
  }

  @Test
  void mmioOutsideRamLeavesTheGuest() throws Exception {
    try (RealModeGuest guest =
        RealModeGuest.of(
            0xb8, 0xff, 0xff, // mov ax, 0xffff
            0x8e, 0xd8, // mov ds, ax: linear 0xffff0
            0xc7, 0x06, 0x20, 0x00, 0xcd, 0xab, // mov word [0x20], 0xabcd: 0x100010
            0xa1, 0x22, 0x00, // mov ax, [0x22]
            0xe7, 0x41, // out 0x41, ax
            0xf4)) {
      VcpuFd vcpu = guest.vcpu();
      assertEquals(kvm_h.KVM_EXIT_MMIO, guest.runToExit());
      assertTrue(vcpu.mmioIsWrite());
      assertEquals(0x10_0010, vcpu.mmioAddress());
      assertEquals(2, vcpu.mmioSizeBytes());
      assertEquals(0xabcd, vcpu.mmioData());
      assertEquals(kvm_h.KVM_EXIT_MMIO, guest.runToExit());
      assertFalse(vcpu.mmioIsWrite());
      assertEquals(0x10_0012, vcpu.mmioAddress());
      vcpu.mmioData(0x5678);
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      assertEquals(0x5678, vcpu.ioData(0));
    }
  }

  @Test
  void anInterruptReachesItsHandlerThroughTheWindow() throws Exception {
    try (RealModeGuest guest =
        RealModeGuest.of(
            0xfb, // sti
            0x90, // nop
            0xeb, 0xfd)) { // jmp to the nop
      byte[] handler = {(byte) 0xe6, 0x77, (byte) 0xf4}; // out 0x77, al; hlt
      guest.memory().write(0x2000, handler, 0, handler.length);
      guest.memory().putInt(0x20 * 4, 0x2000); // vector 0x20: 0000:2000
      VcpuFd vcpu = guest.vcpu();
      vcpu.requestInterruptWindow(true);
      assertEquals(kvm_h.KVM_EXIT_IRQ_WINDOW_OPEN, guest.runToExit());
      assertTrue(vcpu.readyForInterrupt());
      vcpu.requestInterruptWindow(false);
      vcpu.interrupt(0x20);
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      assertEquals(0x77, vcpu.ioPort());
    }
  }

  @Test
  void anExitAllocatesNothingOnceWarm() throws Exception {
    try (RealModeGuest guest =
        RealModeGuest.of(
            0xe6, 0x12, // out 0x12, al
            0xe4, 0x13, // in al, 0x13
            0xeb, 0xfa)) { // jmp to the out
      ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
      exits(guest.vcpu(), WARM_UP_EXITS);
      // The best of some rounds: a compiler thread that replaces code may make one of them
      // allocate.
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 20 && least > 0; round++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        exits(guest.vcpu(), MEASURED_EXITS);
        least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
      }
      assertEquals(0, least, "bytes for " + MEASURED_EXITS + " exits");
    }
  }

  private static void exits(VcpuFd vcpu, int count) throws SysException {
    for (int i = 0; i < count; i++) {
      if (!vcpu.run() || vcpu.exitReason() != kvm_h.KVM_EXIT_IO) {
        throw new AssertionError("exit " + vcpu.exitReason());
      }
      if (vcpu.ioIsOut()) {
        vcpu.ioData(0);
      } else {
        vcpu.ioData(0, i);
      }
    }
  }

  @Test
  void aClosedVcpuRefusesInsteadOfCrashing() throws Exception {
    RealModeGuest guest = RealModeGuest.of(0xf4);
    guest.close();
    guest.close();
    assertThrows(IllegalStateException.class, guest.vcpu()::run);
    assertThrows(IllegalStateException.class, guest.vcpu()::exitReason);
    assertThrows(IllegalStateException.class, guest.vcpu()::readRegs);
    assertThrows(IllegalStateException.class, () -> guest.memory().getByte(0));
    guest.vcpu().kick().kick();
  }
}
