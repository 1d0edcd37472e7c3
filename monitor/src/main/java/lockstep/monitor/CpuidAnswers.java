package lockstep.monitor;

import java.util.Optional;
import lockstep.kvm.Cpuid;
import lockstep.monitor.vcpu.SpecialPorts;

/**
 * CPUID as the CPU would answer it from a table: a basic leaf beyond the highest one answers like
 * the highest basic leaf on Intel; AMD answers zero, which is what is done here for both.
 */
final class CpuidAnswers implements SpecialPorts.CpuidTable {

  private final Cpuid table;

  CpuidAnswers(Cpuid table) {
    this.table = table;
  }

  @Override
  public void query(int leaf, int subleaf, int[] registers) {
    Optional<Cpuid.Entry> entry = table.find(leaf, subleaf);
    registers[0] = entry.map(Cpuid.Entry::eax).orElse(0);
    registers[1] = entry.map(Cpuid.Entry::ebx).orElse(0);
    registers[2] = entry.map(Cpuid.Entry::ecx).orElse(0);
    registers[3] = entry.map(Cpuid.Entry::edx).orElse(0);
  }
}
