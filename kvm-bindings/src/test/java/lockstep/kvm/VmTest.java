package lockstep.kvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.Map;
import java.util.stream.Stream;
import lockstep.sys.SysException;
import lockstep.testing.KvmRequired;
import lockstep.testing.RealModeGuest;
import lockstep.uapi.kvm_h;
import lockstep.uapi.posix_h;
import org.junit.jupiter.api.Test;

@KvmRequired
class VmTest {
  /** Writes one byte to 0x5000 and one to 0x9000, with port writes between. */
  private static final int[] WRITER = {
    0xc6,
    0x06,
    0x00,
    0x50,
    0x01, // mov byte [0x5000], 1
    0xe6,
    0x12, // out 0x12, al
    0xc6,
    0x06,
    0x00,
    0x90,
    0x01, // mov byte [0x9000], 1
    0xe6,
    0x12, // out 0x12, al
    0xeb,
    0xf0 // jmp to the start
  };

  @Test
  void theDirtyLogNamesThePagesThatTheGuestWrote() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(WRITER)) {
      GuestMemory.Region ram = guest.memory().regions().getFirst();
      guest.vm().dirtyLog(ram);
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      assertEquals(BitSet.valueOf(new long[] {1L << 5}), BitSet.valueOf(guest.vm().dirtyLog(ram)));
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      assertEquals(BitSet.valueOf(new long[] {1L << 9}), BitSet.valueOf(guest.vm().dirtyLog(ram)));
      assertTrue(BitSet.valueOf(guest.vm().dirtyLog(ram)).isEmpty());
    }
  }

  @Test
  void aPageStaysDirtyUntilItIsClearedByHand() throws Exception {
    try (Kvm kvm = Kvm.open()) {
      if (!kvm.has(KvmCapability.MANUAL_DIRTY_LOG_PROTECT2)) {
        System.out.println("no KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 here: not tested");
        return;
      }
    }
    try (RealModeGuest guest = RealModeGuest.of(WRITER)) {
      GuestMemory.Region ram = guest.memory().regions().getFirst();
      guest.vm().setMemory(guest.memory(), false);
      guest.vm().enableManualDirtyClear();
      guest.vm().setMemory(guest.memory(), true);
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      long[] dirty = guest.vm().dirtyLog(ram);
      assertTrue(BitSet.valueOf(dirty).get(5));
      assertTrue(BitSet.valueOf(guest.vm().dirtyLog(ram)).get(5), "not cleared by reading");
      guest.vm().clearDirtyLog(ram, dirty);
      assertFalse(BitSet.valueOf(guest.vm().dirtyLog(ram)).get(5));
      assertThrows(
          IllegalArgumentException.class, () -> guest.vm().clearDirtyLog(ram, new long[1]));
    }
  }

  @Test
  void anMsrOutsideTheListLeavesTheGuestAndAnAllowedOneDoesNot() throws Exception {
    int sysenterCs = 0x174;
    try (RealModeGuest guest =
        RealModeGuest.of(
            0x66, 0xb9, 0x74, 0x01, 0x00, 0x00, // mov ecx, 0x174
            0x0f, 0x32, // rdmsr
            0x66, 0xb9, 0xcd, 0x00, 0x00, 0x00, // mov ecx, 0xcd
            0x0f, 0x32, // rdmsr
            0xe7, 0x41, // out 0x41, ax
            0x0f, 0x30, // wrmsr
            0xf4)) {
      guest.vm().filterMsrs(sysenterCs);
      VcpuFd vcpu = guest.vcpu();
      assertEquals(kvm_h.KVM_EXIT_X86_RDMSR, guest.runToExit());
      assertEquals(0xcd, vcpu.msrIndex());
      vcpu.msrData(0x4321);
      vcpu.msrError(false);
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      assertEquals(0x4321, vcpu.ioData(0));
      assertEquals(kvm_h.KVM_EXIT_X86_WRMSR, guest.runToExit());
      assertEquals(0xcd, vcpu.msrIndex());
      assertEquals(0x4321, vcpu.msrData());
      vcpu.msrError(false);
      assertEquals(kvm_h.KVM_EXIT_HLT, guest.runToExit());
      assertThrows(IllegalArgumentException.class, () -> guest.vm().filterMsrs(0x4000_0000));
    }
  }

  @Test
  void anMsrIsReadAndWrittenPastTheFilter() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(0xf4)) {
      guest.vm().filterMsrs();
      guest.vcpu().setMsr(0x174, 0x10);
      assertEquals(0x10, guest.vcpu().getMsr(0x174));
      SysException e = assertThrows(SysException.class, () -> guest.vcpu().getMsr(0xdead));
      assertEquals("KVM_GET_MSRS MSR 0xdead: EINVAL (Invalid argument)", e.getMessage());
    }
  }

  @Test
  void aSingleStepStopsAfterEachInstruction() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(0x90, 0xb0, 0x01, 0xf4)) {
      guest.vcpu().singleStep(true);
      assertEquals(kvm_h.KVM_EXIT_DEBUG, guest.runToExit());
      assertEquals(RealModeGuest.ENTRY + 1, guest.vcpu().debug().exitAddress());
      assertEquals(kvm_h.KVM_EXIT_DEBUG, guest.runToExit());
      assertEquals(RealModeGuest.ENTRY + 3, guest.vcpu().debug().exitAddress());
      guest.vcpu().singleStep(false);
      assertEquals(kvm_h.KVM_EXIT_HLT, guest.runToExit());
    }
  }

  @Test
  void aBreakpointStopsBeforeItsInstruction() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(0x90, 0x90, 0x90, 0x90, 0xf4)) {
      guest.vcpu().debug().set(false, false, RealModeGuest.ENTRY + 3);
      int reason = guest.runToExit();
      if (reason == kvm_h.KVM_EXIT_HLT) {
        // Seen on KVM under emulated SVM; doctor reports it.
        System.out.println("hardware breakpoints do not fire on this KVM");
        return;
      }
      assertEquals(kvm_h.KVM_EXIT_DEBUG, reason);
      assertEquals(RealModeGuest.ENTRY + 3, guest.vcpu().debug().exitAddress());
      guest.vcpu().debug().set(false, false);
      assertEquals(kvm_h.KVM_EXIT_HLT, guest.runToExit());
      assertThrows(
          IllegalArgumentException.class,
          () -> guest.vcpu().debug().set(false, false, 1, 2, 3, 4, 5));
    }
  }

  @Test
  void capabilitiesAreProbed() throws Exception {
    try (Kvm kvm = Kvm.open()) {
      Map<KvmCapability, Integer> present = kvm.capabilities();
      for (KvmCapability capability : KvmCapability.values()) {
        assertEquals(present.containsKey(capability), kvm.has(capability), capability.name());
        assertTrue(!capability.required() || present.containsKey(capability), capability.name());
      }
      assertTrue(kvm.msrIndices().length > 0);
    }
  }

  @Test
  void machinesLeaveNoDescriptorBehind() throws Exception {
    RealModeGuest.of(0xf4).close();
    long before = openDescriptors();
    for (int i = 0; i < 20; i++) {
      RealModeGuest.of(0xf4).close();
    }
    assertEquals(before, openDescriptors());
  }

  @Test
  void afterAFailureNoDescriptorIsLeft() throws Exception {
    long before = openDescriptors();
    for (int i = 0; i < 5; i++) {
      SysException notKvm = assertThrows(SysException.class, () -> Kvm.open("/dev/null"));
      assertEquals(posix_h.ENOTTY, notKvm.errno());
      SysException absent = assertThrows(SysException.class, () -> Kvm.open("/dev/no-kvm"));
      assertEquals("open /dev/no-kvm: ENOENT (No such file or directory)", absent.getMessage());
      try (Kvm kvm = Kvm.open();
          VmFd vm = kvm.createVm();
          VcpuFd vcpu = vm.createVcpu()) {
        assertThrows(SysException.class, vm::createVcpu); // vCPU 0 exists
        assertFalse(vcpu.readyForInterrupt());
      }
    }
    assertEquals(before, openDescriptors());
  }

  private static long openDescriptors() throws IOException {
    try (Stream<Path> entries = Files.list(Path.of("/proc/self/fd"))) {
      return entries.filter(VmTest::isOurs).count();
    }
  }

  /** Jars and sockets of the JVM come and go. */
  private static boolean isOurs(Path entry) {
    try {
      String target = Files.readSymbolicLink(entry).toString();
      return target.contains("kvm") && !target.endsWith(".jar");
    } catch (IOException e) {
      return false; // closed since it was listed
    }
  }
}
