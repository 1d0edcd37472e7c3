package lockstep.monitor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.vcpu.LoopState;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.VcpuHandle;
import lockstep.monitor.vcpu.VcpuLoop;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;

/** Guests of a few bytes, in real mode at 0:7c00, on the real KVM. */
@KvmRequired
class MachineTest {
  private static final long MEMORY_BYTES = 2L << 20;
  private static final int SECTOR = 512;
  private static final long GUEST_LIMIT_MILLIS = 60_000;

  private final InputQueue queue = new InputQueue();
  private QuirkSet quirks = QuirkSet.NONE;
  private final ByteArrayOutputStream console = new ByteArrayOutputStream();

  @Test
  void theExitPortEndsTheRunWithTheGuestsCode() throws Exception {
    RunResult result = run("b02a e6f4"); // mov al, 42; out 0xf4, al
    assertEquals(new RunResult.ExitPort(42), result);
  }

  @Test
  void consoleBytesComeOutInOrder() throws Exception {
    run(
        "ba f803", // mov dx, 0x3f8
        "b068 ee b069 ee", // out dx, 'h'; out dx, 'i'
        "b000 e6f4");
    assertEquals("hi", console.toString(StandardCharsets.US_ASCII));
  }

  @Test
  void aStringOutputIsOneByteAfterTheOther() throws Exception {
    run(
        "ba f803", // mov dx, 0x3f8
        "be 0d7c", // mov si, text
        "b9 0500", // mov cx, 5
        "f36e", // rep outsb
        "eb05", // jmp over the text
        "68656c6c6f", // text: hello
        "b000 e6f4");
    assertEquals("hello", console.toString(StandardCharsets.US_ASCII));
  }

  @Test
  void anUnclaimedPortReadsAllOnesAndIsCounted() throws Exception {
    // in al, 0xe0; out 0xf4, al
    assertEquals(new RunResult.ExitPort(0xff), run("e4e0 e6f4"));
  }

  @Test
  void haltWithInterruptsOffEndsTheRunInsteadOfHanging() throws Exception {
    assertEquals(new RunResult.HaltedForGood(), run("fa f4")); // cli; hlt
  }

  @Test
  void theKeyboardControllersResetEndsTheRun() throws Exception {
    assertEquals(new RunResult.Reset(), run("b0fe e664")); // out 0x64, 0xfe
  }

  @Test
  void aSpinningGuestStopsWhenTheHostSaysSo() throws Exception {
    Thread stopper =
        Thread.ofPlatform()
            .start(
                () -> {
                  try {
                    Thread.sleep(100);
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                  queue.offer(new ExternalInput.HostDecision(ExternalInput.Decision.STOP));
                });
    assertEquals(new RunResult.Stopped(), run("ebfe")); // jmp self
    stopper.join();
  }

  @Test
  void aTimerInterruptReachesAHaltedGuest() throws Exception {
    RunResult result =
        run(
            "31c0 8ed8", // xor ax, ax; mov ds, ax
            "c7062000 407c", // mov word [4 * 8], 0x7c40: the handler's offset
            "c7062200 0000", // mov word [4 * 8 + 2], 0: its segment
            "b011 e620 b008 e621 b004 e621 b001 e621", // PIC: ICW1-4, vectors from 8
            "b0fe e621", // all masked but IRQ0
            "b034 e643 b000 e640 b010 e640", // PIT channel 0, mode 2, 4096 ticks: 3.4 ms
            "fb f4 ebfd", // sti; again: hlt; jmp again
            "000000000000 000000000000", // up to 0x7c40
            "b007 e6f4"); // 0x7c40: out 0xf4, 7
    assertEquals(new RunResult.ExitPort(7), result);
  }

  @Test
  void aTripleFaultIsReportedWithRegistersAndCode() throws Exception {
    // ud2 without an IDT: its delivery faults, and so do the faults.
    RunResult result =
        run(
            "0f011e807c", // lidt [a place that is zero]
            "0f20c0 0c01 0f22c0", // protected mode
            "0f0b");
    RunResult.Crashed crashed = assertInstanceOf(RunResult.Crashed.class, result);
    assertTrue(crashed.report().contains("triple-faulted"), crashed.report());
    assertTrue(crashed.report().contains("RIP"), crashed.report());
    assertTrue(crashed.report().contains("code at RIP:"), crashed.report());
  }

  /** Where the SYSCALL shim is on, the guest's LSTAR goes through the monitor. */
  @Test
  void anLstarThatIsNotCanonicalIsAFaultInTheGuest() throws Exception {
    quirks = new QuirkSet(false, true);
    RunResult result =
        run(
            "31c0 8ed8", // xor ax, ax; mov ds, ax
            "c7063400 407c", // mov word [4 * 13], 0x7c40: the handler's offset
            "c7063600 0000", // mov word [4 * 13 + 2], 0: its segment
            "66b9820000c0", // mov ecx, LSTAR
            "66b8aaaaaaaa 66baaaaaaaaa 0f30", // edx:eax = not canonical; wrmsr
            "b001 e6f4", // out 0xf4, 1
            "000000000000000000000000000000", // up to 0x7c40
            "000000000000000000",
            "b00d e6f4"); // 0x7c40: out 0xf4, 13
    assertEquals(new RunResult.ExitPort(13), result);
  }

  /** A string instruction at a port that stands in for RDTSC: no exit of it is lost. */
  @Test
  void aStringInstructionAtTheClockPortEndsWithItsCount() throws Exception {
    RunResult result =
        run(
            "31c0 8ec0 bf0080", // xor ax, ax; mov es, ax; mov di, 0x8000
            "ba e400 b9 0900", // mov dx, CLOCK_PORT; mov cx, 9
            "f3666d", // rep insd
            "89c8 01f8 29d0 e6f4"); // al = cx + di - dx; out 0xf4, al
    assertEquals(new RunResult.ExitPort(9 * 4 - 0xe4 & 0xff), result);
  }

  /**
   * Outside long mode the L bit of a code segment means nothing to a CPU, but KVM does not take it
   * back (Linux, arch/x86/kvm/x86.c, kvm_is_valid_sregs): a guest that loads one can still be
   * saved.
   */
  @Test
  void aMachineWithALongModeSegmentOutsideLongModeGoesOnFromItsSnapshot() throws Exception {
    ByteArrayOutputStream saved = new ByteArrayOutputStream();
    Thread stopper =
        Thread.ofPlatform()
            .start(
                () -> {
                  LockSupport.parkNanos(200_000_000);
                  queue.offer(new ExternalInput.HostDecision(ExternalInput.Decision.STOP));
                });
    Use<RunResult> save =
        machine -> {
          RunResult how = machine.run();
          machine.save(saved, new SavedInputs(0, List.of()), Progress.NONE);
          return how;
        };
    String[] guest = {
      "fa 0f0116207c", // cli; lgdt [gdtr]
      "0f20c0 0c01 0f22c0", // cr0 |= PE
      "ea 137c 0800", // ljmp 8:next
      "b05a e680 e480", // next: mov al, 0x5a; out 0x80, al; in al, 0x80
      "ebfa", // jmp back to the out
      "0000000000", // up to 0x7c20
      "0f00 307c0000 00000000000000000000", // gdtr: 16 bytes at 0x7c30
      "0000000000000000 ffff0000009baf00" // null; code with L set
    };
    assertEquals(new RunResult.Stopped(), with(save, guest));
    stopper.join();
    Use<RunResult> restore =
        machine -> {
          machine.restore(
              SavedMachine.open(new ByteArrayInputStream(saved.toByteArray())), Progress.NONE);
          queue.offer(new ExternalInput.HostDecision(ExternalInput.Decision.STOP));
          return machine.run();
        };
    assertEquals(new RunResult.Stopped(), with(restore, guest));
  }

  /** A KVM that forgets the shadow of STI is told by it that the HLT comes before an interrupt. */
  @Test
  void aMachineThatWasStoppedBeforeAnHltStillIsInItsSnapshot() throws Exception {
    Thread stopper =
        Thread.ofPlatform()
            .start(
                () -> {
                  LockSupport.parkNanos(200_000_000);
                  queue.offer(new ExternalInput.HostDecision(ExternalInput.Decision.STOP));
                });
    Use<RunResult> stopAndRestore =
        machine -> {
          RunResult how = machine.run();
          VcpuLoop loop = assertInstanceOf(VcpuLoop.class, machine.position());
          long exits = loop.guestExits();
          LoopState elsewhere = new LoopState(exits, false, false, false);
          loop.restore(elsewhere);
          assertTrue(loop.canTakeInterrupt());
          assertEquals(elsewhere, loop.save());
          LoopState beforeHalt = new LoopState(exits, false, false, true);
          loop.restore(beforeHalt);
          assertFalse(loop.canTakeInterrupt(), "it would sleep through its interrupt");
          assertEquals(beforeHalt, loop.save());
          return how;
        };
    assertEquals(new RunResult.Stopped(), with(stopAndRestore, "fb ebfe")); // sti; jmp self
    stopper.join();
  }

  @Test
  void aMachineLeavesNoDescriptorsBehind() throws Exception {
    run("b000 e6f4");
    long before = descriptors();
    for (int i = 0; i < 5; i++) {
      run("b000 e6f4");
    }
    assertEquals(before, descriptors());
  }

  /** A guest that goes astray fails its test instead of hanging the build. */
  private void stopWhenTooLong() {
    try {
      Thread.sleep(GUEST_LIMIT_MILLIS);
      queue.offer(new ExternalInput.HostDecision(ExternalInput.Decision.STOP));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void aStringOutputWithoutEndDoesNotKeepTheMachineFromBeingStopped() throws Exception {
    Use<Optional<RunResult>> stopAndSave =
        machine -> {
          assertEquals(new RunResult.Stopped(), machine.run());
          return machine.save(
              OutputStream.nullOutputStream(), new SavedInputs(0, List.of()), Progress.NONE);
        };
    Thread stopper =
        Thread.ofPlatform()
            .start(
                () -> {
                  LockSupport.parkNanos(200_000_000);
                  queue.offer(new ExternalInput.HostDecision(ExternalInput.Decision.STOP));
                });
    Optional<RunResult> ended =
        with(
            stopAndSave,
            "fa 0f0116287c 0f20c0 0c01 0f22c0", // cli; lgdt [gdtr]; cr0 |= PE
            "bb0800 8edb 24fe 0f22c0", // ds = 8, without a limit of 64 KiB; cr0 &= ~PE
            "6631f6 66b9ffffff7f", // xor esi, esi; mov ecx, 0x7fffffff
            "ba8000 67f36e f4", // mov dx, 0x80; a32 rep outsb; hlt
            "0f00 307c0000 0000", // gdtr: 16 bytes at 0x7c30
            "0000000000000000 ffff00000092cf00"); // null; data, 4 GiB
    stopper.join();
    // A KVM that completes one iteration at a time leaves a machine that can be saved; one that
    // goes
    // on to the next exit leaves one that was given up.
    assertTrue(
        ended.isEmpty()
            || (ended.get() instanceof RunResult.Crashed crashed
                && crashed.report().contains("string instruction")),
        ended::toString);
  }

  private static long descriptors() {
    return new java.io.File("/proc/self/fd").list().length;
  }

  /** Runs machine code given as hex. */
  private RunResult run(String... hex) throws Exception {
    return with(Machine::run, hex);
  }

  private interface Use<T> {
    T of(Machine machine) throws Exception;
  }

  private <T> T with(Use<T> use, String... hex) throws Exception {
    byte[] code = HexFormat.of().parseHex(String.join("", hex).replace(" ", ""));
    byte[] sector = Arrays.copyOf(code, SECTOR);
    sector[510] = 0x55;
    sector[511] = (byte) 0xaa;
    VcpuHandle[] handle = new VcpuHandle[1];
    Runnable kick = () -> Arrays.stream(handle).filter(h -> h != null).forEach(VcpuHandle::kick);
    try (Kvm kvm = Kvm.open();
        KickTimer timer = new KickTimer(kick)) {
      LiveInputs inputs = new LiveInputs(new HostInputs(queue, MachineLayout.TIMERS, 0, timer));
      MachineConfig config = new MachineConfig(MEMORY_BYTES, CpuModel.Kind.DETERMINISTIC, 0);
      try (Machine machine =
          Machine.create(
              kvm,
              MachineOrigin.here(config, quirks, kvm.supportedCpuid()),
              inputs,
              OutputSink.console(console::write))) {
        machine.boot(
            BootImages.load(BootFile.of("guest", sector), BootConfig.of(MEMORY_BYTES, "")));
        handle[0] = new VcpuHandle(machine.kick(), Thread.currentThread());
        queue.wakeWith(kick);
        Thread watchdog = Thread.ofPlatform().daemon().start(this::stopWhenTooLong);
        try {
          return use.of(machine);
        } finally {
          watchdog.interrupt();
          watchdog.join();
        }
      }
    }
  }
}
