package lockstep.monitor.boot;

import java.util.List;
import java.util.Optional;

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
 * @param rewrite what to rewrite in 64-bit Linux text
 */
public record BootConfig(
    RamLayout ram,
    String commandLine,
    Optional<BootFile> initrd,
    List<BootModule> modules,
    boolean mpTable,
    RewriteOptions rewrite) {
  /** Copies the list. */
  public BootConfig {
    modules = List.copyOf(modules);
  }

  /** RAM and command line; no initrd, no modules, an MP table, nothing rewritten. */
  public static BootConfig of(long memoryBytes, String commandLine) {
    return new BootConfig(
        new RamLayout(memoryBytes),
        commandLine,
        Optional.empty(),
        List.of(),
        true,
        RewriteOptions.NONE);
  }

  /** The same with an initrd. */
  public BootConfig withInitrd(BootFile file) {
    return new BootConfig(ram, commandLine, Optional.of(file), modules, mpTable, rewrite);
  }

  /** The same with modules. */
  public BootConfig withModules(List<BootModule> list) {
    return new BootConfig(ram, commandLine, initrd, list, mpTable, rewrite);
  }

  /** The same with or without the MP table. */
  public BootConfig withMpTable(boolean present) {
    return new BootConfig(ram, commandLine, initrd, modules, present, rewrite);
  }

  /** The same with other rewriting. */
  public BootConfig withRewrite(RewriteOptions options) {
    return new BootConfig(ram, commandLine, initrd, modules, mpTable, options);
  }
}
