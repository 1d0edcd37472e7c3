package lockstep.kvm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.ToIntFunction;
import lockstep.kvm.Cpuid.Entry;

/**
 * What CPUID shows a guest. The deterministic model is a fixed x86-64 baseline CPU: everything that
 * would let host state in (TSC, RDTSCP, RDPID, RDRAND, RDSEED, TSX, WAITPKG, PMU, APIC ids,
 * hypervisor leaves) or that a software KVM cannot run in the kernel (XSAVE, AVX, SMAP, POPCNT,
 * CMPXCHG16B and newer) is absent. Bit names as in Intel SDM volume 2A (CPUID) and AMD APM volume
 * 3, appendix E.
 */
public final class CpuModel {
  private static final int LEAF_VENDOR = 0;
  private static final int LEAF_FEATURES = 1;
  private static final int LEAF_STRUCTURED = 7;
  private static final int LEAF_TOPOLOGY = 0xb;
  private static final int LEAF_XSAVE = 0xd;
  private static final int LEAF_EXTENDED_MAX = 0x8000_0000;
  private static final int LEAF_EXTENDED_FEATURES = 0x8000_0001;
  private static final int LEAF_BRAND = 0x8000_0002;
  private static final int LEAF_ADDRESS_SIZES = 0x8000_0008;
  private static final int LEAF_AMD_TOPOLOGY = 0x8000_001e;
  private static final int LEAF_HYPERVISOR = 0x4000_0000;

  /** FPU DE PSE MSR PAE CX8 SEP PGE CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2. */
  private static final int FEATURES_EDX = 0x078b_a96d;

  /** SYSCALL, NX, LM. */
  private static final int EXTENDED_EDX = 1 << 11 | 1 << 20 | 1 << 29;

  private static final int EXTENDED_ECX_LAHF = 1;
  private static final int CLFLUSH_64_BYTES_ONE_CPU = 0x0001_0800;
  private static final int BITS_48_VIRTUAL_40_PHYSICAL = 0x3028;

  /**
   * RstrFpErrPtrs: FXRSTOR always restores the error pointers. Without it Linux wipes them with an
   * x87 load in the kernel at every context switch (arch/x86/kernel/fpu/core.c,
   * X86_BUG_FXSAVE_LEAK), which a software KVM cannot run.
   */
  private static final int EBX_RSTR_FP_ERR_PTRS = 1 << 2;

  /** Family 17h model 1: the first Zen; family 6 model 5Eh: Skylake. */
  private static final int SIGNATURE_AMD = 0x0080_0f12;

  private static final int SIGNATURE_INTEL = 0x0005_06e3;
  private static final int VENDOR_AMD_EBX = 0x6874_7541;
  private static final String BRAND = "Lockstep deterministic vCPU";
  private static final int BRAND_BYTES = 48;

  // What the host model hides: there is no in-kernel APIC, and no paravirtual interface.
  private static final int ECX_HOST_HIDDEN = 1 << 3 | 1 << 21 | 1 << 24 | 1 << 31;
  private static final int EDX_HOST_HIDDEN = 1 << 9;

  /** The registers whose bits announce instructions, or modes that software turns on. */
  private static final List<FeatureWord> FEATURE_WORDS =
      List.of(
          new FeatureWord("1.EDX", LEAF_FEATURES, Entry::edx),
          new FeatureWord("1.ECX", LEAF_FEATURES, Entry::ecx),
          new FeatureWord("7.EBX", LEAF_STRUCTURED, Entry::ebx),
          new FeatureWord("7.ECX", LEAF_STRUCTURED, Entry::ecx),
          new FeatureWord("7.EDX", LEAF_STRUCTURED, Entry::edx),
          new FeatureWord("80000001.EDX", LEAF_EXTENDED_FEATURES, Entry::edx),
          new FeatureWord("80000001.ECX", LEAF_EXTENDED_FEATURES, Entry::ecx),
          new FeatureWord("d.EAX", LEAF_XSAVE, Entry::eax));

  private CpuModel() {}

  /** The models to choose from. */
  public enum Kind {
    /** A fixed baseline CPU, the same on every host of one vendor. */
    DETERMINISTIC,
    /** What the host offers, less the APIC. Not fit for recording. */
    HOST;

    /** The name on the command line. */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }

    /** The kind of this name, or empty. */
    public static Optional<Kind> of(String word) {
      return Arrays.stream(values()).filter(kind -> kind.word().equals(word)).findFirst();
    }
  }

  /**
   * The table for a guest.
   *
   * @param supported what KVM offers here; only its vendor enters the deterministic model
   */
  public static Cpuid table(Kind kind, Cpuid supported) {
    return switch (kind) {
      case DETERMINISTIC -> deterministic(supported);
      case HOST -> host(supported);
    };
  }

  /**
   * Why this host cannot run the deterministic model exactly; empty if it can.
   *
   * @param supported what KVM offers here
   */
  public static Optional<String> lacking(Cpuid supported) {
    return lacking(deterministic(supported), supported)
        .map(bits -> "this host lacks CPUID features of the deterministic model: " + bits);
  }

  /**
   * Which of the features that a guest was shown this host's CPU does not have, as register and
   * bits; empty if it has all. Bits that say how an instruction behaves, not that there is one, are
   * none of these: every CPU of this kind is told to behave so.
   *
   * @param shown the guest's table, from this host or another one
   * @param supported what KVM offers here
   */
  public static Optional<String> lacking(Cpuid shown, Cpuid supported) {
    List<String> missing = new ArrayList<>();
    for (FeatureWord word : FEATURE_WORDS) {
      int bits = word.of(shown) & ~word.of(supported);
      if (bits != 0) {
        missing.add("%s %08x".formatted(word.title, bits));
      }
    }
    return missing.isEmpty() ? Optional.empty() : Optional.of(String.join(", ", missing));
  }

  private record FeatureWord(String title, int leaf, ToIntFunction<Entry> register) {
    int of(Cpuid table) {
      return table.find(leaf, 0).map(register::applyAsInt).orElse(0);
    }
  }

  /** Whether both tables name the same maker of CPUs. */
  public static boolean sameVendor(Cpuid one, Cpuid other) {
    return vendor(one).equals(vendor(other));
  }

  private static List<Integer> vendor(Cpuid table) {
    return table
        .find(LEAF_VENDOR, 0)
        .map(e -> List.of(e.ebx(), e.ecx(), e.edx()))
        .orElse(List.of());
  }

  private static Cpuid deterministic(Cpuid supported) {
    Entry vendor =
        supported.find(LEAF_VENDOR, 0).orElseThrow(() -> new IllegalStateException("no leaf 0"));
    int signature = vendor.ebx() == VENDOR_AMD_EBX ? SIGNATURE_AMD : SIGNATURE_INTEL;
    List<Entry> entries = new ArrayList<>();
    entries.add(
        new Entry(
            LEAF_VENDOR, 0, false, LEAF_STRUCTURED, vendor.ebx(), vendor.ecx(), vendor.edx()));
    entries.add(
        new Entry(LEAF_FEATURES, 0, false, signature, CLFLUSH_64_BYTES_ONE_CPU, 0, FEATURES_EDX));
    entries.add(new Entry(LEAF_STRUCTURED, 0, true, 0, 0, 0, 0));
    entries.add(
        new Entry(
            LEAF_EXTENDED_MAX,
            0,
            false,
            LEAF_ADDRESS_SIZES,
            vendor.ebx(),
            vendor.ecx(),
            vendor.edx()));
    entries.add(
        new Entry(LEAF_EXTENDED_FEATURES, 0, false, signature, 0, EXTENDED_ECX_LAHF, EXTENDED_EDX));
    ByteBuffer brand =
        ByteBuffer.wrap(Arrays.copyOf(BRAND.getBytes(StandardCharsets.US_ASCII), BRAND_BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    for (int leaf = 0; leaf < 3; leaf++) {
      entries.add(
          new Entry(
              LEAF_BRAND + leaf,
              0,
              false,
              brand.getInt(),
              brand.getInt(),
              brand.getInt(),
              brand.getInt()));
    }
    entries.add(
        new Entry(
            LEAF_ADDRESS_SIZES, 0, false, BITS_48_VIRTUAL_40_PHYSICAL, EBX_RSTR_FP_ERR_PTRS, 0, 0));
    return new Cpuid(entries);
  }

  private static Cpuid host(Cpuid supported) {
    List<Entry> entries = new ArrayList<>();
    for (Entry e : supported.entries()) {
      switch (e.leaf()) {
        case LEAF_FEATURES ->
            entries.add(
                e.with(
                    e.eax(),
                    e.ebx() & 0x00ff_ffff,
                    e.ecx() & ~ECX_HOST_HIDDEN,
                    e.edx() & ~EDX_HOST_HIDDEN));
        case LEAF_TOPOLOGY -> entries.add(e.with(e.eax(), e.ebx(), e.ecx(), 0));
        case LEAF_AMD_TOPOLOGY -> entries.add(e.with(0, 0, e.ecx(), e.edx()));
        default -> {
          if (e.leaf() >>> 8 != LEAF_HYPERVISOR >>> 8) {
            entries.add(e);
          }
        }
      }
    }
    return new Cpuid(entries);
  }
}
