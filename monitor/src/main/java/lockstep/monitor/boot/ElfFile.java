package lockstep.monitor.boot;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The parts of a little-endian x86 ELF file that loading needs (System V ABI, chapters 4 and 5, and
 * its AMD64 supplement).
 */
final class ElfFile {
  static final int EM_386 = 3;
  static final int EM_X86_64 = 62;
  private static final int ET_EXEC = 2;
  private static final int PT_LOAD = 1;
  private static final int PF_X = 1;
  private static final int SHT_PROGBITS = 1;
  private static final int SHT_SYMTAB = 2;
  private static final long SHF_ALLOC = 0x2;
  private static final long SHF_EXECINSTR = 0x4;
  private static final int STT_FUNC = 2;
  private static final int SYMBOL_BYTES_64 = 24;
  private static final int SYMBOL_BYTES_32 = 16;
  private static final int MAX_NAME = 64;

  /** One PT_LOAD program header. */
  record Load(
      long offset, long vaddr, long paddr, long fileBytes, long memoryBytes, boolean executable) {}

  /** One section header. */
  record Section(
      int index,
      String name,
      int type,
      long flags,
      long address,
      long offset,
      long bytes,
      int link) {
    boolean isCode() {
      return type == SHT_PROGBITS
          && (flags & (SHF_ALLOC | SHF_EXECINSTR)) == (SHF_ALLOC | SHF_EXECINSTR)
          && bytes > 0;
    }
  }

  private static final Section NO_SYMBOLS = new Section(0, "", SHT_SYMTAB, 0, 0, 0, 0, 0);

  private final String file;
  private final ByteReader in;
  private final boolean is64;
  private final int machine;
  private final int type;
  private final long entry;

  private ElfFile(String file, ByteReader in) throws BootException {
    this.file = file;
    this.in = in;
    int elfClass = in.u8(4, "the ELF identification");
    int encoding = in.u8(5, "the ELF identification");
    if (elfClass < 1 || elfClass > 2 || encoding != 1) {
      throw notAKernel("is an ELF file of class %d, encoding %d".formatted(elfClass, encoding));
    }
    is64 = elfClass == 2;
    type = in.u16(16, "the ELF header");
    machine = in.u16(18, "the ELF header");
    entry = word(24, 24);
  }

  static boolean hasMagic(byte[] bytes) {
    return bytes.length >= 4
        && bytes[0] == 0x7f
        && bytes[1] == 'E'
        && bytes[2] == 'L'
        && bytes[3] == 'F';
  }

  static ElfFile parse(String file, byte[] bytes) throws BootException {
    if (!hasMagic(bytes)) {
      throw new BootException(file, "holds no ELF file", "name a Linux kernel");
    }
    return new ElfFile(file, new ByteReader(file, bytes));
  }

  boolean is64() {
    return is64;
  }

  int machine() {
    return machine;
  }

  long entry() {
    return entry;
  }

  BootException notAKernel(String problem) {
    return new BootException(
        file,
        problem + ", not a kernel",
        "name a bzImage, an x86-64 vmlinux or a Multiboot kernel");
  }

  void requireExecutable() throws BootException {
    if (type != ET_EXEC) {
      throw notAKernel("is an ELF file of type " + type + ", not an executable");
    }
  }

  private long word(int offset32, int offset64) throws BootException {
    return is64 ? in.u64(offset64, "the ELF header") : in.u32(offset32, "the ELF header");
  }

  /** The loadable segments with their bytes checked to be in the file. */
  List<Load> loads() throws BootException {
    long table = word(28, 32);
    int entryBytes = in.u16(is64 ? 54 : 42, "the ELF header");
    int count = in.u16(is64 ? 56 : 44, "the ELF header");
    if (entryBytes < (is64 ? 56 : 32)) {
      throw notAKernel("has program headers of " + entryBytes + " bytes");
    }
    in.range(table, (long) entryBytes * count, "the program headers");
    List<Load> loads = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      long at = table + (long) i * entryBytes;
      if (in.u32(at, "a program header") != PT_LOAD) {
        continue;
      }
      Load load =
          is64
              ? new Load(
                  u64(at + 8),
                  u64(at + 16),
                  u64(at + 24),
                  u64(at + 32),
                  u64(at + 40),
                  isExecutable(at + 4))
              : new Load(
                  u32(at + 4),
                  u32(at + 8),
                  u32(at + 12),
                  u32(at + 16),
                  u32(at + 20),
                  isExecutable(at + 24));
      if (load.memoryBytes == 0) {
        continue;
      }
      if (load.memoryBytes < 0 || load.fileBytes < 0 || load.fileBytes > load.memoryBytes) {
        throw notAKernel(
            "has a segment of 0x%x bytes in 0x%x of memory"
                .formatted(load.fileBytes, load.memoryBytes));
      }
      in.range(load.offset, load.fileBytes, "a segment");
      loads.add(load);
    }
    if (loads.isEmpty()) {
      throw notAKernel("has nothing to load");
    }
    return loads;
  }

  private boolean isExecutable(long flagsAt) throws BootException {
    return (u32(flagsAt) & PF_X) != 0;
  }

  private long u64(long at) throws BootException {
    return in.u64(at, "a program header");
  }

  private long u32(long at) throws BootException {
    return in.u32(at, "a program header");
  }

  /** Every section; empty when the file has none. */
  List<Section> sections() throws BootException {
    long table = word(32, 40);
    int entryBytes = in.u16(is64 ? 58 : 46, "the ELF header");
    int count = in.u16(is64 ? 60 : 48, "the ELF header");
    int nameIndex = in.u16(is64 ? 62 : 50, "the ELF header");
    if (table == 0 || count == 0) {
      return List.of();
    }
    if (entryBytes < (is64 ? 64 : 40)) {
      throw notAKernel("has section headers of " + entryBytes + " bytes");
    }
    in.range(table, (long) entryBytes * count, "the section headers");
    long names = 0;
    if (nameIndex < count) {
      long header = table + (long) nameIndex * entryBytes;
      names = field(header + (is64 ? 24 : 16));
    }
    List<Section> sections = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      long at = table + (long) i * entryBytes;
      String what = "a section header";
      long word = is64 ? Long.BYTES : Integer.BYTES;
      Section section =
          new Section(
              i,
              name(names, in.u32(at, what)),
              (int) in.u32(at + 4, what),
              field(at + 8),
              field(at + 8 + word),
              field(at + 8 + 2 * word),
              field(at + 8 + 3 * word),
              (int) in.u32(at + 8 + 4 * word, what));
      if (section.isCode()) {
        in.range(section.offset, section.bytes, "section " + section.name);
      }
      sections.add(section);
    }
    return sections;
  }

  /** A field of a section header that is as wide as an address. */
  private long field(long at) throws BootException {
    return is64 ? in.u64(at, "a section header") : in.u32(at, "a section header");
  }

  private String name(long table, long offset) throws BootException {
    StringBuilder name = new StringBuilder();
    for (int i = 0; i < MAX_NAME && in.has(table + offset + i, 1); i++) {
      int c = in.u8(table + offset + i, "a section name");
      if (c == 0) {
        break;
      }
      name.append(c >= ' ' && c < 0x7f ? (char) c : '?');
    }
    return name.toString();
  }

  /** Addresses of the functions in code sections, sorted; none when symbols are stripped. */
  long[] functionStarts(List<Section> sections) throws BootException {
    Section table = symbolTable(sections);
    String what = "the symbol table";
    in.range(table.offset, table.bytes, what);
    boolean[] code = new boolean[sections.size()];
    for (Section section : sections) {
      code[section.index] = section.isCode();
    }
    long[] starts = new long[1024];
    int found = 0;
    long end = table.offset + table.bytes;
    int symbolBytes = is64 ? SYMBOL_BYTES_64 : SYMBOL_BYTES_32;
    for (long at = table.offset; at <= end - symbolBytes; at += symbolBytes) {
      int index = in.u16(at + (is64 ? 6 : 14), what);
      int type = in.u8(at + (is64 ? 4 : 12), what) & 0xf;
      if (index < code.length && code[index] && type == STT_FUNC) {
        if (found == starts.length) {
          starts = Arrays.copyOf(starts, 2 * found);
        }
        starts[found++] = is64 ? in.u64(at + 8, what) : in.u32(at + 4, what);
      }
    }
    Arrays.sort(starts, 0, found);
    return Arrays.copyOf(starts, found);
  }

  private static Section symbolTable(List<Section> sections) {
    for (Section section : sections) {
      if (section.type == SHT_SYMTAB) {
        return section;
      }
    }
    return NO_SYMBOLS;
  }

  /** The name of the file, for messages. */
  String file() {
    return file;
  }
}
