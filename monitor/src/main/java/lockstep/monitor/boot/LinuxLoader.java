package lockstep.monitor.boot;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/**
 * Linux by its 64-bit boot protocol (Documentation/x86/boot.rst, "64-bit BOOT PROTOCOL", and
 * zero-page.rst): the ELF kernel is placed at its physical addresses, without the kernel's own
 * unpacker and relocator, and entered at startup_64 with RSI = boot_params. So KASLR never happens,
 * and a kernel with CONFIG_RELOCATABLE runs where it was linked, as one without.
 */
final class LinuxLoader {
  /** What lies between the command line's address and the next thing in low memory. */
  static final int COMMAND_LINE_SPACE = 0x10000;

  /** COMMAND_LINE_SIZE of x86 less the final zero, for a vmlinux, which does not say. */
  private static final int VMLINUX_COMMAND_LINE_MAX = 2047;

  /** The highest initrd address every 64-bit kernel takes; a vmlinux does not say. */
  private static final long VMLINUX_INITRD_MAX = 0x7fff_ffffL;

  private static final int BOOT_PARAMS_BYTES = 4096;
  private static final int E820_RAM = 1;
  private static final int E820_RESERVED = 2;
  private static final int LOADER_UNDEFINED = 0xff;
  private static final int VIDEO_NORMAL = 0xffff;

  private final BootFile file;
  private final BootConfig config;
  private final SegmentPlan plan;

  private LinuxLoader(BootFile file, BootConfig config) {
    this.file = file;
    this.config = config;
    this.plan = new SegmentPlan(file.name(), config.ram());
  }

  static BootImage loadBzImage(BootFile file, BootConfig config) throws BootException {
    BzImage image = BzImage.parse(file);
    byte[] kernel = Payload.unpack(image, config.ram().sizeBytes());
    ByteBuffer params = LowMemory.littleEndian(BOOT_PARAMS_BYTES);
    int headerBytes = image.headerEnd() - BzImage.HEADER;
    params.put(BzImage.HEADER, file.bytes(), BzImage.HEADER, headerBytes);
    // A version before 2.06 has no such field, but the payload fields already need 2.08.
    return new LinuxLoader(file, config)
        .load(BootKind.LINUX_BZIMAGE, kernel, params, image.initrdMax(), image.commandLineMax());
  }

  static BootImage loadElf(BootFile file, BootConfig config) throws BootException {
    ByteBuffer params = LowMemory.littleEndian(BOOT_PARAMS_BYTES);
    params.putShort(0x1fe, (short) 0xaa55);
    params.putInt(0x202, 0x53726448);
    params.putShort(0x206, (short) 0x20f);
    params.putInt(0x22c, (int) VMLINUX_INITRD_MAX);
    params.putInt(0x230, 0x1000000);
    params.putInt(0x238, VMLINUX_COMMAND_LINE_MAX);
    // The rewriter patches in place and the file's bytes are not ours.
    byte[] kernel = config.rewrite().any() ? file.bytes().clone() : file.bytes();
    return new LinuxLoader(file, config)
        .load(BootKind.LINUX_ELF, kernel, params, VMLINUX_INITRD_MAX, VMLINUX_COMMAND_LINE_MAX);
  }

  private BootImage load(
      BootKind kind, byte[] kernel, ByteBuffer params, long initrdMax, int commandLineMax)
      throws BootException {
    if (!config.modules().isEmpty()) {
      throw new BootException(
          file.name(), "is a Linux kernel and takes no modules", "use an initrd");
    }
    ElfFile elf = ElfFile.parse(file.name(), kernel);
    if (!elf.is64()) {
      throw BzImage.only32Bit(file.name());
    }
    if (elf.machine() != ElfFile.EM_X86_64) {
      throw elf.notAKernel("is an ELF file for machine " + elf.machine());
    }
    elf.requireExecutable();

    plan.add(LowMemory.biosData());
    plan.add(LowMemory.gdt(true));
    plan.add(LowMemory.identityPageTables());
    if (config.mpTable()) {
      plan.add(LowMemory.mpTable());
    }
    if (config.seed().size() > 0) {
      plan.add(LowMemory.seed(config.seed()));
    }
    byte[] commandLine = CommandLine.encode(config.commandLine(), commandLineMax);
    plan.add(LoadSegment.of("command line", LowMemory.COMMAND_LINE, commandLine));
    List<ElfFile.Load> loads = elf.loads();
    RewriteReport rewrites = TextRewriter.rewrite(elf, kernel, config.rewrite());
    addKernel(kernel, loads);
    Optional<LoadSegment> initrd = addInitrd(initrdMax);
    fill(params, initrd);
    plan.add(LoadSegment.of("boot_params", LowMemory.BOOT_PARAMS, params));
    long entry = physicalEntry(elf, loads);
    return new BootImage(
        kind,
        plan.segments(),
        new CpuEntry.Long64(
            entry,
            LowMemory.STACK_TOP,
            LowMemory.BOOT_PARAMS,
            LowMemory.PAGE_TABLES,
            LowMemory.gdtRegister()),
        rewrites);
  }

  private void addKernel(byte[] kernel, List<ElfFile.Load> loads) throws BootException {
    for (ElfFile.Load load : loads) {
      plan.add(
          new LoadSegment(
              "kernel",
              load.paddr(),
              kernel,
              (int) load.offset(),
              (int) load.fileBytes(),
              load.memoryBytes()));
    }
  }

  /** The entry as a physical address below 4 GiB, where the page tables reach. */
  private long physicalEntry(ElfFile elf, List<ElfFile.Load> loads) throws BootException {
    long entry = elf.entry();
    for (ElfFile.Load load : loads) {
      if (within(entry, load.paddr(), load.fileBytes())) {
        return belowPageTables(entry);
      }
    }
    for (ElfFile.Load load : loads) {
      if (within(entry, load.vaddr(), load.fileBytes())) {
        return belowPageTables(entry - load.vaddr() + load.paddr());
      }
    }
    throw elf.notAKernel("has its entry 0x%x outside its segments".formatted(entry));
  }

  private long belowPageTables(long entry) throws BootException {
    if (entry >= RamLayout.MMIO_START) {
      throw new BootException(
          file.name(),
          "has its entry at 0x%x, above 3 GiB".formatted(entry),
          "link the kernel lower");
    }
    return entry;
  }

  private static boolean within(long address, long base, long bytes) {
    return address >= base && address - base < bytes;
  }

  /** As high as the kernel allows, so that it stays out of the way of the kernel's own tables. */
  private Optional<LoadSegment> addInitrd(long initrdMax) throws BootException {
    if (config.initrd().isEmpty()) {
      return Optional.empty();
    }
    BootFile initrd = config.initrd().get();
    long top = Math.min(config.ram().lowBytes(), initrdMax + 1);
    long gpa = (top - initrd.size()) & -4096L;
    if (gpa < plan.end()) {
      throw new BootException(
          initrd.name(),
          "does not fit: %d KiB, and between the kernel's end and %d MiB there are %d KiB"
              .formatted(
                  (initrd.size() + 1023L) >> 10, top >> 20, Math.max(0, top - plan.end()) >> 10),
          "give the guest more memory or use a smaller initrd");
    }
    LoadSegment segment = LoadSegment.of("initrd", gpa, initrd.bytes());
    plan.add(segment);
    return Optional.of(segment);
  }

  private void fill(ByteBuffer params, Optional<LoadSegment> initrd) {
    params.putShort(0x1fa, (short) VIDEO_NORMAL);
    params.put(0x210, (byte) LOADER_UNDEFINED);
    params.put(0x211, (byte) (params.get(0x211) | 1));
    params.putInt(0x228, LowMemory.COMMAND_LINE);
    params.putInt(0x218, initrd.isPresent() ? (int) initrd.get().gpa() : 0);
    params.putInt(0x21c, initrd.isPresent() ? initrd.get().fileBytes() : 0);
    // setup_data: a list for firmware to extend; a pointer left in the file would be followed.
    params.putLong(0x250, config.seed().size() > 0 ? LowMemory.SETUP_DATA : 0);

    RamLayout ram = config.ram();
    params.putInt(0x1e0, (int) ((ram.lowBytes() - LowMemory.RESERVED_END) >> 10));
    params.position(0x2d0);
    range(params, 0, LowMemory.EBDA, E820_RAM);
    range(params, LowMemory.EBDA, LowMemory.RESERVED_END, E820_RESERVED);
    range(params, LowMemory.RESERVED_END, ram.lowBytes(), E820_RAM);
    int ranges = 3;
    if (ram.highBytes() > 0) {
      range(params, RamLayout.HIGH_START, RamLayout.HIGH_START + ram.highBytes(), E820_RAM);
      ranges++;
    }
    params.put(0x1e8, (byte) ranges);
  }

  private static void range(ByteBuffer params, long from, long to, int type) {
    params.putLong(from).putLong(to - from).putInt(type);
  }
}
