package lockstep.monitor.boot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * Kernels with a Multiboot 1 header (Multiboot Specification 0.6.96): 32-bit ELF, or any file whose
 * header has the address fields. Modules go page-aligned above the kernel; the information
 * structure with its strings and maps goes to 64 KiB, below where such kernels are linked.
 */
final class MultibootLoader {
  static final long BOOTLOADER_MAGIC = 0x2badb002L;
  private static final long HEADER_MAGIC = 0x1badb002L;
  private static final int SEARCH_BYTES = 8192;
  private static final int HEADER_BYTES = 12;

  /**
   * Header flags the loader must understand: page-aligned modules and the memory map, always on.
   */
  private static final long SUPPORTED_REQUIREMENTS = 0x3;

  private static final long VIDEO_MODE = 0x4;
  private static final long ADDRESS_FIELDS = 1 << 16;
  private static final int INFO_FLAGS = 1 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9;
  private static final int INFO_BYTES = 88;
  private static final int COMMAND_LINE_MAX = 4095;
  private static final int MMAP_ENTRY_BYTES = 24;

  private final BootFile file;
  private final BootConfig config;
  private final ByteReader in;
  private final SegmentPlan plan;
  private final List<LoadSegment> modules = new ArrayList<>();
  private final List<String> moduleLines = new ArrayList<>();
  private RewriteReport rewrites = RewriteReport.NONE;

  private MultibootLoader(BootFile file, BootConfig config) {
    this.file = file;
    this.config = config;
    this.in = new ByteReader(file.name(), file.bytes());
    this.plan = new SegmentPlan(file.name(), config.ram());
  }

  /** The header's offset: 4-byte aligned, whole within the first 8 KiB, with its checksum right. */
  static OptionalInt findHeader(BootFile file) {
    int limit = Math.min(file.size(), SEARCH_BYTES) - HEADER_BYTES;
    ByteBuffer bytes = ByteBuffer.wrap(file.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    for (int at = 0; at <= limit; at += 4) {
      if (bytes.getInt(at) == (int) HEADER_MAGIC
          && bytes.getInt(at) + bytes.getInt(at + 4) + bytes.getInt(at + 8) == 0) {
        return OptionalInt.of(at);
      }
    }
    return OptionalInt.empty();
  }

  static BootImage load(BootFile file, BootConfig config) throws BootException {
    OptionalInt header = findHeader(file);
    if (header.isEmpty()) {
      throw new BootException(
          file.name(), "has no Multiboot header in its first 8 KiB", "name a Multiboot kernel");
    }
    return new MultibootLoader(file, config).load(header.getAsInt());
  }

  private BootImage load(int header) throws BootException {
    long flags = in.u32(header + 4, "the Multiboot header");
    if ((flags & VIDEO_MODE) != 0) {
      throw new BootException(
          file.name(), "asks for a video mode and this machine has no display", "clear flag bit 2");
    }
    if ((flags & 0xffff & ~SUPPORTED_REQUIREMENTS) != 0) {
      throw new BootException(
          file.name(),
          "requires Multiboot features 0x%x that are not known".formatted(flags & 0xffff),
          "use a Multiboot 1 kernel");
    }
    plan.add(LowMemory.biosData());
    plan.add(LowMemory.gdt(false));
    long entry = (flags & ADDRESS_FIELDS) != 0 ? addRaw(header) : addElf();
    addModules();
    plan.add(LoadSegment.of("Multiboot information", LowMemory.MULTIBOOT_INFO, information()));
    return new BootImage(
        BootKind.MULTIBOOT,
        plan.segments(),
        new CpuEntry.Protected32(
            entry,
            LowMemory.STACK_TOP,
            BOOTLOADER_MAGIC,
            LowMemory.MULTIBOOT_INFO,
            LowMemory.gdtRegister()),
        rewrites);
  }

  /** 3.1.3, the address fields of the Multiboot header. */
  private long addRaw(int header) throws BootException {
    String what = "the Multiboot address fields";
    long headerAddress = in.u32(header + 12, what);
    long loadAddress = in.u32(header + 16, what);
    long loadEnd = in.u32(header + 20, what);
    long bssEnd = in.u32(header + 24, what);
    long entry = in.u32(header + 28, what);
    long offset = header - (headerAddress - loadAddress);
    if (headerAddress < loadAddress || offset < 0) {
      throw badFields("the header at 0x%x, loaded from 0x%x", headerAddress, loadAddress);
    }
    long length = loadEnd == 0 ? in.size() - offset : loadEnd - loadAddress;
    long memory = bssEnd == 0 ? length : bssEnd - loadAddress;
    if (length <= 0 || memory < length) {
      throw badFields("load_end 0x%x, bss_end 0x%x", loadEnd, bssEnd);
    }
    if (entry < loadAddress || entry - loadAddress >= length) {
      throw badFields("the entry 0x%x, loaded from 0x%x", entry, loadAddress);
    }
    int start = in.range(offset, length, "the Multiboot kernel");
    plan.add(new LoadSegment("kernel", loadAddress, file.bytes(), start, (int) length, memory));
    if (config.rewrite().any()) {
      // Code and data alike, and nothing says which.
      MixedText text = new MixedText(file.bytes(), config.rewrite());
      text.look(start, (int) length, loadAddress, "kernel", false);
      rewrites = text.report();
    }
    return entry;
  }

  private BootException badFields(String format, long one, long other) {
    return new BootException(
        file.name(),
        "has Multiboot address fields that contradict each other: " + format.formatted(one, other),
        "correct its header");
  }

  private long addElf() throws BootException {
    if (!ElfFile.hasMagic(file.bytes())) {
      throw new BootException(
          file.name(),
          "has a Multiboot header without address fields and is not ELF",
          "set flag bit 16 and the address fields, or link it as 32-bit ELF");
    }
    ElfFile elf = ElfFile.parse(file.name(), file.bytes());
    if (elf.is64() || elf.machine() != ElfFile.EM_386) {
      throw new BootException(
          file.name(),
          "is a 64-bit ELF file with a Multiboot 1 header, and Multiboot 1 enters 32-bit code",
          "convert it (objcopy -O elf32-i386) or use the address fields");
    }
    elf.requireExecutable();
    boolean entryLoaded = false;
    List<ElfFile.Load> loads = elf.loads();
    // The rewriter patches in place and the file's bytes are not ours.
    byte[] kernel = config.rewrite().any() ? file.bytes().clone() : file.bytes();
    rewrite(elf, loads, kernel);
    for (ElfFile.Load load : loads) {
      plan.add(
          new LoadSegment(
              "kernel",
              load.paddr(),
              kernel,
              (int) load.offset(),
              (int) load.fileBytes(),
              load.memoryBytes()));
      long entry = elf.entry();
      entryLoaded |= entry >= load.paddr() && entry - load.paddr() < load.fileBytes();
    }
    if (!entryLoaded) {
      throw elf.notAKernel("has its entry 0x%x outside its segments".formatted(elf.entry()));
    }
    return elf.entry();
  }

  private void rewrite(ElfFile elf, List<ElfFile.Load> loads, byte[] kernel) {
    if (!config.rewrite().any()) {
      return;
    }
    MixedText text = new MixedText(kernel, config.rewrite());
    if (!rewriteSections(elf, text, kernel.length)) {
      for (ElfFile.Load load : loads) {
        if (load.executable()) {
          text.look((int) load.offset(), (int) load.fileBytes(), load.paddr(), "segment", false);
        }
      }
    }
    rewrites = text.report();
  }

  /** False where section headers are missing or make no sense: nobody needs them to run. */
  private static boolean rewriteSections(ElfFile elf, MixedText text, int fileBytes) {
    try {
      List<ElfFile.Section> all = elf.sections();
      List<ElfFile.Section> code = all.stream().filter(ElfFile.Section::isCode).toList();
      long bytes = code.stream().mapToLong(ElfFile.Section::bytes).sum();
      if (code.isEmpty() || bytes > fileBytes) {
        return false;
      }
      long[] starts = elf.functionStarts(all);
      code.forEach(section -> text.rewrite(section, starts));
      return true;
    } catch (BootException e) {
      return false;
    }
  }

  private void addModules() throws BootException {
    List<BootModule> wanted = new ArrayList<>();
    if (config.initrd().isPresent()) {
      BootFile initrd = config.initrd().get();
      wanted.add(new BootModule(initrd, initrd.name()));
    }
    wanted.addAll(config.modules());
    for (BootModule module : wanted) {
      long gpa = Math.max(LowMemory.RESERVED_END, (plan.end() + 4095) & -4096L);
      if (!config.ram().contains(gpa, module.file().size())) {
        throw new BootException(
            module.file().name(),
            "does not fit: %d KiB at 0x%x in a guest of %d MiB"
                .formatted(
                    (module.file().size() + 1023L) >> 10, gpa, config.ram().sizeBytes() >> 20),
            "give the guest more memory");
      }
      LoadSegment segment = LoadSegment.of("module", gpa, module.file().bytes());
      plan.add(segment);
      modules.add(segment);
      moduleLines.add(module.commandLine());
    }
  }

  /** 3.3, the boot information: the structure, then module list, memory map and strings. */
  private ByteBuffer information() throws BootException {
    RamLayout ram = config.ram();
    ByteBuffer info = LowMemory.littleEndian(LowMemory.MULTIBOOT_INFO_BYTES);
    int moduleList = INFO_BYTES;
    int map = moduleList + 16 * modules.size();
    int mapEntries = ram.highBytes() > 0 ? 4 : 3;
    info.putInt(0, INFO_FLAGS);
    info.putInt(4, LowMemory.EBDA >> 10);
    info.putInt(8, (int) ((ram.lowBytes() - LowMemory.RESERVED_END) >> 10));
    info.putInt(20, modules.size());
    info.putInt(24, LowMemory.MULTIBOOT_INFO + moduleList);
    info.putInt(44, mapEntries * MMAP_ENTRY_BYTES);
    info.putInt(48, LowMemory.MULTIBOOT_INFO + map);

    info.position(map);
    range(info, 0, LowMemory.EBDA, 1);
    range(info, LowMemory.EBDA, LowMemory.RESERVED_END, 2);
    range(info, LowMemory.RESERVED_END, ram.lowBytes(), 1);
    if (ram.highBytes() > 0) {
      range(info, RamLayout.HIGH_START, RamLayout.HIGH_START + ram.highBytes(), 1);
    }
    info.putInt(16, string(info, config.commandLine()));
    info.putInt(64, string(info, "lockstep"));
    for (int i = 0; i < modules.size(); i++) {
      LoadSegment module = modules.get(i);
      int at = moduleList + 16 * i;
      info.putInt(at, (int) module.gpa());
      info.putInt(at + 4, (int) module.end());
      info.putInt(at + 8, string(info, moduleLines.get(i)));
    }
    return info.slice(0, info.position());
  }

  private static int string(ByteBuffer info, String text) throws BootException {
    int address = LowMemory.MULTIBOOT_INFO + info.position();
    byte[] bytes = CommandLine.encode(text, Math.min(COMMAND_LINE_MAX, info.remaining() - 1));
    info.put(bytes);
    return address;
  }

  /** The size field does not count itself (3.3, mmap_addr). */
  private static void range(ByteBuffer info, long from, long to, int type) {
    info.putInt(MMAP_ENTRY_BYTES - 4).putLong(from).putLong(to - from).putInt(type);
  }
}
