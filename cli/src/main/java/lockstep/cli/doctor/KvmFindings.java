package lockstep.cli.doctor;

import java.util.ArrayList;
import java.util.List;
import lockstep.cli.common.Finding;
import lockstep.cli.common.Finding.State;
import lockstep.cli.run.HostCounter;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Cpuid;
import lockstep.kvm.Kvm;
import lockstep.kvm.KvmCapability;
import lockstep.kvm.PmuSelfTest;
import lockstep.monitor.probe.DebugProbe;
import lockstep.monitor.probe.InstructionProbe;
import lockstep.monitor.probe.InstructionProbe.Level;
import lockstep.monitor.probe.InstructionProbe.Outcome;
import lockstep.monitor.probe.MemoryProbe;
import lockstep.monitor.probe.ProbeGuest;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.sys.SysException;

/** What this KVM honours, each row by a small guest. */
final class KvmFindings {
  private static final int[] CPUID_LEAF_1 = {0xb8, 1, 0, 0, 0, 0x0f, 0xa2};
  private static final int[] RDTSC = {0x0f, 0x31};
  private static final int[] RDTSCP = {0x0f, 0x01, 0xf9};
  private static final int[] RDRAND = {0x0f, 0xc7, 0xf0};
  private static final int[] RDPID = {0xf3, 0x0f, 0xc7, 0xf8};
  private static final int[] XGETBV = {0x0f, 0x01, 0xd0};
  private static final int[] IN_AL = {0xe4, ProbeGuest.ANSWER_PORT};

  private final Kvm kvm;
  private final Cpuid cpuid;
  private final List<Finding> findings = new ArrayList<>();

  private KvmFindings(Kvm kvm) throws SysException {
    this.kvm = kvm;
    this.cpuid = CpuModel.table(CpuModel.Kind.DETERMINISTIC, kvm.supportedCpuid());
  }

  static List<Finding> all(Kvm kvm) throws SysException {
    KvmFindings probes = new KvmFindings(kvm);
    probes.interfaces();
    probes.cpuid();
    probes.hidden();
    probes.userLimits();
    probes.quirks();
    probes.debug();
    probes.window();
    probes.counters();
    return List.copyOf(probes.findings);
  }

  private void interfaces() throws SysException {
    findings.add(
        new Finding("KVM", State.OK, Kvm.DEVICE + ", API version 12", "guests run on this host"));
    boolean dirtyLog = MemoryProbe.dirtyLogWorks(kvm, cpuid);
    findings.add(
        Finding.of(
            "dirty log",
            dirtyLog,
            new String[] {"names the written page, and no other", "wrong or missing"},
            new String[] {"state can be copied while the guest runs", "no state transfer"}));
    boolean ring = kvm.has(KvmCapability.DIRTY_LOG_RING);
    findings.add(
        Finding.of(
            "dirty ring",
            ring,
            new String[] {"offered", "not offered"},
            new String[] {"for your information", "the dirty log is used"}));
  }

  private void cpuid() throws SysException {
    for (Level level : Level.values()) {
      int expected = cpuid.find(1, 0).orElseThrow().edx();
      Outcome outcome = InstructionProbe.execute(kvm, cpuid, level, CPUID_LEAF_1);
      boolean honoured = outcome instanceof Outcome.Executed e && e.edx() == expected;
      String shown =
          outcome instanceof Outcome.Executed e
              ? "host bits show (1.EDX %08x, not %08x)".formatted(e.edx(), expected)
              : "CPUID does not execute";
      findings.add(
          Finding.of(
              "CPUID in " + word(level),
              honoured,
              new String[] {"as set", shown},
              new String[] {
                "guests see the chosen CPU model",
                level == Level.KERNEL
                    ? "CPUID in kernels is rewritten when they are loaded"
                    : "user programs see the host's CPU: build them without AVX and RDRAND"
              }));
    }
  }

  private void hidden() throws SysException {
    hidden("RDRAND", RDRAND, "a guest that ignores CPUID reads true random: replay diverges");
    hidden("RDTSCP", RDTSCP, "a guest that ignores CPUID reads the host's clock");
    hidden("RDPID", RDPID, "a guest that ignores CPUID sees the host's CPU number");
    hidden("XGETBV", XGETBV, "AVX runs where the guest's kernel does not save it");
  }

  private void hidden(String name, int[] instruction, String ifExecuted) throws SysException {
    for (Level level : Level.values()) {
      Outcome outcome = InstructionProbe.execute(kvm, cpuid, level, instruction);
      boolean good = !(outcome instanceof Outcome.Executed || outcome instanceof Outcome.Unclear);
      findings.add(
          new Finding(
              "hidden " + name + " in " + word(level),
              good ? State.OK : State.LIMITED,
              word(outcome),
              good ? "hidden means absent" : ifExecuted));
    }
  }

  private void userLimits() throws SysException {
    Outcome tsc = InstructionProbe.executeWithTsd(kvm, cpuid, Level.USER, RDTSC);
    findings.add(
        Finding.of(
            "RDTSC in user code, CR4.TSD",
            tsc instanceof Outcome.Faulted,
            new String[] {word(tsc), word(tsc)},
            new String[] {
              "user code cannot read the host's clock",
              "user code can read the host's clock: replay of programs that do diverges"
            }));
    Outcome in = InstructionProbe.execute(kvm, cpuid, Level.USER, IN_AL);
    findings.add(
        Finding.of(
            "IN in user code, IOPL 0",
            in instanceof Outcome.Faulted,
            new String[] {word(in), word(in)},
            new String[] {
              "user code cannot reach devices", "user code can reach devices, as on no real CPU"
            }));
  }

  private void quirks() throws SysException {
    QuirkSet quirks = QuirkProbe.probe(kvm);
    findings.add(
        Finding.of(
            "SYSCALL",
            !quirks.syscallShim(),
            new String[] {"enters the kernel", "arrives still in user mode"},
            new String[] {"native", "a stub in the guest's page-fault handler repairs it"}));
  }

  private void debug() throws SysException {
    findings.add(
        debug("single-step in kernel", DebugProbe.stepsInKernel(kvm, cpuid), "step placement"));
    findings.add(
        debug("single-step in user code", DebugProbe.stepsInUser(kvm, cpuid), "step placement"));
    findings.add(
        debug("breakpoint in kernel", DebugProbe.breaksInKernel(kvm, cpuid), "counter placement"));
    findings.add(
        debug("breakpoint in user code", DebugProbe.breaksInUser(kvm, cpuid), "counter placement"));
  }

  private static Finding debug(String name, boolean works, String placement) {
    return Finding.of(
        name,
        works,
        new String[] {"exact", "does not stop where it should"},
        new String[] {placement + " can use it", placement + " cannot use it there"});
  }

  private void window() throws SysException {
    long late = DebugProbe.windowTurnsLate(kvm, cpuid);
    findings.add(
        Finding.of(
            "interrupt window",
            late == 0,
            new String[] {
              "opens right after the STI shadow",
              late < 0 ? "never opens" : "opens " + 2 * late + " instructions late"
            },
            new String[] {
              "interrupts are taken as early as on hardware",
              "interrupts are taken later than on hardware; no point is named by it"
            }));
  }

  private void counters() throws SysException {
    PmuSelfTest.Result result = HostCounter.selfTest(kvm, cpuid);
    findings.add(
        Finding.of(
            "performance counters",
            result.event().isPresent(),
            new String[] {result.reason(), result.reason()},
            new String[] {
              "counter placement is possible; not verified on hardware by its makers",
              "no counter placement: at-exit, step and state-sync are used"
            }));
  }

  private static String word(Level level) {
    return switch (level) {
      case KERNEL -> "kernel";
      case USER -> "user code";
    };
  }

  private static String word(Outcome outcome) {
    return switch (outcome) {
      case Outcome.Executed _ -> "executes";
      case Outcome.Faulted _ -> "raises an exception";
      case Outcome.Exited exit ->
          exit.exitReason() == lockstep.uapi.kvm_h.KVM_EXIT_INTERNAL_ERROR
              ? "KVM cannot emulate it"
              : "leaves the guest (exit " + exit.exitReason() + ")";
      case Outcome.Unclear _ -> "unclear";
    };
  }
}
