package lockstep.kvm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lockstep.uapi.kvm_cpuid2;
import lockstep.uapi.kvm_cpuid_entry2;
import lockstep.uapi.kvm_h;

/** An immutable CPUID table. Source: Linux, Documentation/virt/kvm/api.rst, KVM_SET_CPUID2. */
public record Cpuid(List<Entry> entries) {
  /** Takes a copy. */
  public Cpuid {
    entries = List.copyOf(entries);
  }

  /**
   * What CPUID answers for one leaf.
   *
   * @param indexed whether {@code subleaf} (ECX) matters for this leaf
   */
  public record Entry(int leaf, int subleaf, boolean indexed, int eax, int ebx, int ecx, int edx) {
    /** The same leaf with other answers. */
    public Entry with(int newEax, int newEbx, int newEcx, int newEdx) {
      return new Entry(leaf, subleaf, indexed, newEax, newEbx, newEcx, newEdx);
    }
  }

  /** The entry that CPUID would use for these inputs. */
  public Optional<Entry> find(int leaf, int subleaf) {
    for (Entry entry : entries) {
      if (entry.leaf() == leaf && (!entry.indexed() || entry.subleaf() == subleaf)) {
        return Optional.of(entry);
      }
    }
    return Optional.empty();
  }

  static MemorySegment allocate(Arena arena, int count) {
    return arena.allocate(kvm_cpuid2.sizeof() + count * kvm_cpuid_entry2.sizeof(), Long.BYTES);
  }

  static Cpuid of(MemorySegment table) {
    List<Entry> entries = new ArrayList<>();
    MemorySegment array = table.asSlice(kvm_cpuid2.sizeof());
    for (int i = 0; i < kvm_cpuid2.nent(table); i++) {
      MemorySegment e = kvm_cpuid_entry2.asSlice(array, i);
      entries.add(
          new Entry(
              kvm_cpuid_entry2.function(e),
              kvm_cpuid_entry2.index(e),
              (kvm_cpuid_entry2.flags(e) & kvm_h.KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0,
              kvm_cpuid_entry2.eax(e),
              kvm_cpuid_entry2.ebx(e),
              kvm_cpuid_entry2.ecx(e),
              kvm_cpuid_entry2.edx(e)));
    }
    return new Cpuid(entries);
  }

  /** The table as a struct kvm_cpuid2. */
  MemorySegment toNative(Arena arena) {
    MemorySegment table = allocate(arena, entries.size());
    kvm_cpuid2.nent(table, entries.size());
    MemorySegment array = table.asSlice(kvm_cpuid2.sizeof());
    for (int i = 0; i < entries.size(); i++) {
      Entry entry = entries.get(i);
      MemorySegment e = kvm_cpuid_entry2.asSlice(array, i);
      kvm_cpuid_entry2.function(e, entry.leaf());
      kvm_cpuid_entry2.index(e, entry.subleaf());
      kvm_cpuid_entry2.flags(e, entry.indexed() ? kvm_h.KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0);
      kvm_cpuid_entry2.eax(e, entry.eax());
      kvm_cpuid_entry2.ebx(e, entry.ebx());
      kvm_cpuid_entry2.ecx(e, entry.ecx());
      kvm_cpuid_entry2.edx(e, entry.edx());
    }
    return table;
  }
}
