package lockstep.monitor.boot;

import java.util.List;
import java.util.Optional;
import lockstep.monitor.state.Bytes;

/**
 * What beside the kernel file decides the first state of the machine.
 *
 * @param ram the guest's RAM
 * @param commandLine the kernel's command line, ASCII
 * @param initrd Linux: the initial RAM disk. Multiboot: taken as the first module
 * @param modules Multiboot modules; must be empty for other kinds
 * @param mpTable Linux: whether to leave a one-processor MP table in the first KiB. A kernel finds
 *     it at once instead of scanning 64 KiB of empty BIOS area, which takes two seconds where KVM
 *     emulates kernel code. Boot with {@code nolapic noapic} then
 * @param seed Linux: what the kernel's random number generator starts from, at most {@link
 *     #MAX_SEED_BYTES}; empty for none. Part of the machine's initial state: with RDRAND and the
 *     TSC hidden it is the guest's only entropy at boot, and without it every early random number
 *     costs a whole hash
 * @param rewrite what to rewrite in 64-bit Linux text
 */
public record BootConfig(
    RamLayout ram,
    String commandLine,
    Optional<BootFile> initrd,
    List<BootModule> modules,
    boolean mpTable,
    Bytes seed,
    RewriteOptions rewrite) {
  /** As much as Linux can use, and far less than there is room for. */
  public static final int MAX_SEED_BYTES = 64;

  /** Copies the list. */
  public BootConfig {
    modules = List.copyOf(modules);
    if (seed.size() > MAX_SEED_BYTES) {
      throw new IllegalArgumentException("a seed of " + seed.size() + " bytes");
    }
  }

  /** RAM and command line; no initrd, no modules, an MP table, nothing rewritten. */
  public static BootConfig of(long memoryBytes, String commandLine) {
    return new BootConfig(
        new RamLayout(memoryBytes),
        commandLine,
        Optional.empty(),
        List.of(),
        true,
        Bytes.empty(),
        RewriteOptions.NONE);
  }

  /** The same with an initrd. */
  public BootConfig withInitrd(BootFile file) {
    return new BootConfig(ram, commandLine, Optional.of(file), modules, mpTable, seed, rewrite);
  }

  /** The same with modules. */
  public BootConfig withModules(List<BootModule> list) {
    return new BootConfig(ram, commandLine, initrd, list, mpTable, seed, rewrite);
  }

  /** The same with or without the MP table. */
  public BootConfig withMpTable(boolean present) {
    return new BootConfig(ram, commandLine, initrd, modules, present, seed, rewrite);
  }

  /** The same with other rewriting. */
  public BootConfig withRewrite(RewriteOptions options) {
    return new BootConfig(ram, commandLine, initrd, modules, mpTable, seed, options);
  }

  /** The same with a random seed. */
  public BootConfig withSeed(Bytes bytes) {
    return new BootConfig(ram, commandLine, initrd, modules, mpTable, bytes, rewrite);
  }
}
