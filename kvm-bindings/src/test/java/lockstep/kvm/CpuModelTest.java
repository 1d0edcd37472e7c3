package lockstep.kvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import lockstep.kvm.Cpuid.Entry;
import org.junit.jupiter.api.Test;

class CpuModelTest {
  private static final Cpuid EVERYTHING =
      new Cpuid(
          List.of(
              new Entry(0, 0, false, 0x1f, 0x756e_6547, 0x6c65_746e, 0x4965_6e69),
              new Entry(1, 0, false, -1, -1, -1, -1),
              new Entry(7, 0, true, -1, -1, -1, -1),
              new Entry(0xb, 0, true, 1, 1, 1, 7),
              new Entry(0x4000_0000, 0, false, -1, -1, -1, -1),
              new Entry(0x8000_0001, 0, false, -1, -1, -1, -1),
              new Entry(0x8000_001e, 0, false, 7, 7, 7, 7)));

  @Test
  void nothingNondeterministicShowsInTheDefaultModel() {
    Cpuid table = CpuModel.table(CpuModel.Kind.DETERMINISTIC, EVERYTHING);
    Entry features = table.find(1, 0).orElseThrow();
    assertEquals(0, features.edx() & (1 << 4 | 1 << 9), "TSC, APIC");
    assertEquals(0, features.ecx(), "RDRAND, XSAVE, AVX, x2APIC, ...");
    assertEquals(0, features.ebx() >>> 24, "APIC id");
    Entry structured = table.find(7, 0).orElseThrow();
    assertEquals(0, structured.ebx() | structured.ecx() | structured.edx());
    assertEquals(0, table.find(0x8000_0001, 0).orElseThrow().edx() & 1 << 27, "RDTSCP");
    assertEquals(Optional.empty(), table.find(0x4000_0000, 0));
    assertEquals(Optional.empty(), table.find(0xa, 0), "PMU");
  }

  @Test
  void theHostModelShowsNoApicIdAndNoHypervisor() {
    Cpuid table = CpuModel.table(CpuModel.Kind.HOST, EVERYTHING);
    assertEquals(0, table.find(1, 0).orElseThrow().ebx() >>> 24);
    assertEquals(0, table.find(0xb, 0).orElseThrow().edx());
    assertEquals(0, table.find(0x8000_001e, 0).orElseThrow().eax());
    assertEquals(Optional.empty(), table.find(0x4000_0000, 0));
  }

  @Test
  void anUnknownModelIsNotGuessed() {
    assertEquals(Optional.of(CpuModel.Kind.DETERMINISTIC), CpuModel.Kind.of("deterministic"));
    assertEquals(Optional.of(CpuModel.Kind.HOST), CpuModel.Kind.of("host"));
    assertEquals(Optional.empty(), CpuModel.Kind.of("Host"));
    Cpuid nothing = new Cpuid(List.of(EVERYTHING.entries().getFirst()));
    assertTrue(CpuModel.lacking(nothing).isPresent());
  }

  @Test
  void aHostWithoutAFeatureOfTheModelIsNamed() {
    assertEquals(Optional.empty(), CpuModel.lacking(EVERYTHING));
    Cpuid withoutSse2 =
        new Cpuid(EVERYTHING.entries().stream().map(CpuModelTest::withoutSse2).toList());
    assertTrue(CpuModel.lacking(withoutSse2).orElseThrow().contains("1.EDX 04000000"));
  }

  @Test
  void aTableFromAnotherHostIsRefusedOnlyForFeaturesThatThisOneLacks() {
    Cpuid shown = CpuModel.table(CpuModel.Kind.DETERMINISTIC, EVERYTHING);
    assertEquals(Optional.empty(), CpuModel.lacking(shown, EVERYTHING));
    Cpuid popcnt = with(shown, 1, e -> e.with(e.eax(), e.ebx(), 1 << 23, e.edx()));
    assertEquals(Optional.empty(), CpuModel.lacking(popcnt, EVERYTHING), "this host can do more");
    assertEquals(Optional.of("1.ECX 00800000"), CpuModel.lacking(popcnt, shown));
    Cpuid avx2 = with(shown, 7, e -> e.with(e.eax(), 1 << 5, 0, 0));
    assertEquals(Optional.of("7.EBX 00000020"), CpuModel.lacking(avx2, shown));
    Cpuid told = with(shown, 0x8000_0008, e -> e.with(e.eax(), 0, 0, 0));
    assertEquals(Optional.empty(), CpuModel.lacking(shown, told), "a way to behave, no feature");
  }

  @Test
  void vendorsAreTold() {
    Cpuid amd = with(EVERYTHING, 0, e -> e.with(1, 0x6874_7541, 0x444d_4163, 0x6974_6e65));
    assertTrue(CpuModel.sameVendor(amd, CpuModel.table(CpuModel.Kind.DETERMINISTIC, amd)));
    assertFalse(CpuModel.sameVendor(amd, EVERYTHING));
  }

  private static Cpuid with(Cpuid table, int leaf, UnaryOperator<Entry> change) {
    return new Cpuid(
        table.entries().stream().map(e -> e.leaf() == leaf ? change.apply(e) : e).toList());
  }

  private static Entry withoutSse2(Entry e) {
    return e.leaf() == 1 ? e.with(e.eax(), e.ebx(), e.ecx(), e.edx() & ~(1 << 26)) : e;
  }
}
