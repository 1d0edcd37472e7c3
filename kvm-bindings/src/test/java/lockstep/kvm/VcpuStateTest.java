package lockstep.kvm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import lockstep.kvm.VcpuState.Section;
import lockstep.sys.SysException;
import lockstep.testing.KvmRequired;
import lockstep.testing.RealModeGuest;
import lockstep.uapi.kvm_h;
import lockstep.uapi.kvm_mp_state;
import lockstep.uapi.kvm_sregs;
import org.junit.jupiter.api.Test;

@KvmRequired
class VcpuStateTest {
  /** A chain of values in RAX, RBX and on the stack, one port write each turn. */
  private static final int[] CHAIN = {
    0x05,
    0x37,
    0x13, // add ax, 0x1337
    0x31,
    0xc3, // xor bx, ax
    0x53, // push bx
    0xd1,
    0xc0, // rol ax, 1
    0xe7,
    0x41, // out 0x41, ax
    0xeb,
    0xf4 // jmp to the start
  };

  private static List<Integer> outputs(RealModeGuest guest, int count) throws SysException {
    List<Integer> values = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      values.add(guest.vcpu().ioData(0));
    }
    return values;
  }

  /** Values that KVM takes back are as they were; others become the nearest that it takes. */
  @Test
  void addressesInTheStateAreCanonical() {
    for (long address : new long[] {0, 1, 0x7fff_ffff_ffffL, -1, 0xffff_8000_0000_0000L}) {
      assertEquals(address, VcpuStateAccess.canonical(address, false));
      assertEquals(address, VcpuStateAccess.canonical(address, true));
    }
    assertEquals(0x2aaa_aaaa_aaaaL, VcpuStateAccess.canonical(0xaaaa_2aaa_aaaa_aaaaL, false));
    assertEquals(-1L << 47, VcpuStateAccess.canonical(1L << 47, false));
    assertEquals(1L << 47, VcpuStateAccess.canonical(1L << 47, true));
  }

  @Test
  void aRestoredVcpuGoesOnWhereTheOtherStood() throws Exception {
    try (RealModeGuest first = RealModeGuest.of(CHAIN);
        RealModeGuest second = RealModeGuest.of(CHAIN)) {
      outputs(first, 100);
      first.vcpu().completeInstruction();
      VcpuState state = first.vcpu().state().capture();
      byte[] ram = new byte[RealModeGuest.MEMORY_BYTES];
      first.memory().read(0, ram, 0, ram.length);
      second.memory().write(0, ram, 0, ram.length);
      second.vcpu().state().restore(VcpuState.decode(state.encode()));
      assertEquals(List.of(), second.vcpu().state().capture().differences(state));
      assertEquals(outputs(first, 100), outputs(second, 100));
      first.vcpu().completeInstruction();
      second.vcpu().completeInstruction();
      assertEquals(first.vcpu().state().capture(), second.vcpu().state().capture());
    }
  }

  @Test
  void twoReadingsOfAVcpuThatStandsAreTheSame() throws Exception {
    try (RealModeGuest guest = RealModeGuest.of(CHAIN)) {
      outputs(guest, 3);
      guest.vcpu().completeInstruction();
      VcpuState one = guest.vcpu().state().capture();
      Thread.sleep(20);
      VcpuState two = guest.vcpu().state().capture();
      assertEquals(one, two);
      assertEquals(one.hashCode(), two.hashCode());
      outputs(guest, 1);
      guest.vcpu().completeInstruction();
      VcpuState three = guest.vcpu().state().capture();
      assertNotEquals(one, three);
      assertTrue(one.differences(three).contains(Section.REGS));
    }
  }

  /** Without an in-kernel APIC, KVM_RUN takes CR8 from kvm_run and not from the restored state. */
  @Test
  void theTaskPrioritySurvivesTheFirstEntryAfterARestore() throws Exception {
    try (RealModeGuest first = RealModeGuest.of(CHAIN);
        RealModeGuest second = RealModeGuest.of(CHAIN)) {
      byte[] encoded = first.vcpu().state().capture().encode();
      // Behind the part MP_STATE and the header of SREGS.
      int sregs = 8 + (int) kvm_mp_state.sizeof() + 8;
      encoded[sregs + (int) kvm_sregs.cr8$offset()] = 5;
      VcpuState state = VcpuState.decode(encoded);
      second.vcpu().state().restore(state);
      second.vcpu().completeInstruction();
      assertEquals(List.of(), second.vcpu().state().capture().differences(state));
    }
  }

  @Test
  void aPendingInterruptIsPartOfTheState() throws Exception {
    int[] spin = {0xfb, 0x90, 0xeb, 0xfd};
    try (RealModeGuest first = RealModeGuest.of(spin);
        RealModeGuest second = RealModeGuest.of(spin)) {
      byte[] handler = {(byte) 0xe6, 0x77, (byte) 0xf4};
      second.memory().write(0x2000, handler, 0, handler.length);
      second.memory().putInt(0x20 * 4, 0x2000);
      first.vcpu().requestInterruptWindow(true);
      assertEquals(kvm_h.KVM_EXIT_IRQ_WINDOW_OPEN, first.runToExit());
      first.vcpu().interrupt(0x20);
      second.vcpu().state().restore(first.vcpu().state().capture());
      assertEquals(kvm_h.KVM_EXIT_IO, second.runToExit());
      assertEquals(0x77, second.vcpu().ioPort());
    }
  }

  @Test
  void anInterruptThatIsOverLeavesNoTrace() throws Exception {
    int[] spin = {0xfb, 0x90, 0xeb, 0xfd};
    try (RealModeGuest guest = RealModeGuest.of(spin)) {
      byte[] handler = {(byte) 0xe6, 0x77, (byte) 0xf4};
      guest.memory().write(0x2000, handler, 0, handler.length);
      guest.memory().putInt(0x20 * 4, 0x2000);
      byte[] before = guest.vcpu().state().capture().section(Section.EVENTS);
      guest.vcpu().requestInterruptWindow(true);
      assertEquals(kvm_h.KVM_EXIT_IRQ_WINDOW_OPEN, guest.runToExit());
      guest.vcpu().interrupt(0x20);
      guest.vcpu().requestInterruptWindow(false);
      assertEquals(kvm_h.KVM_EXIT_IO, guest.runToExit());
      guest.vcpu().completeInstruction();
      assertArrayEquals(before, guest.vcpu().state().capture().section(Section.EVENTS));
    }
  }

  @Test
  void aDamagedStateIsRefusedInsteadOfLoaded() throws Exception {
    long seed = new Random().nextLong();
    System.out.println("VcpuStateTest seed " + seed);
    Random random = new Random(seed);
    try (RealModeGuest guest = RealModeGuest.of(CHAIN)) {
      byte[] good = guest.vcpu().state().capture().encode();
      assertThrows(IllegalArgumentException.class, () -> VcpuState.decode(new byte[0]));
      for (int cut = 1; cut < good.length; cut += 1 + random.nextInt(40)) {
        byte[] damaged = Arrays.copyOf(good, good.length - cut);
        assertThrows(IllegalArgumentException.class, () -> VcpuState.decode(damaged));
      }
      for (int i = 0; i < 10_000; i++) {
        byte[] damaged = good.clone();
        damaged[random.nextInt(32)] = (byte) random.nextInt();
        damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
        try {
          assertEquals(good.length, VcpuState.decode(damaged).encode().length);
        } catch (IllegalArgumentException e) {
          assertTrue(e.toString().contains("vCPU state: "), e.toString());
        }
      }
    }
  }

  @Test
  void partsNeverChangeTheirNumbers() {
    assertEquals(
        List.of(1, 2, 3, 4, 5, 6, 7, 8, 9),
        Arrays.stream(Section.values()).map(Section::wireNumber).toList());
  }
}
