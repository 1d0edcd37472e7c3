package lockstep.testvms.lab;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The modules of an unpacked kernel package, and which of them need which others. A package has no
 * {@code modules.dep}: depmod(8) makes that file when the package is installed. The same facts are
 * in each module's {@code .modinfo} section, written by the kernel's own build (Linux, {@code
 * scripts/mod/modpost.c}), so they follow the version of the kernel.
 */
final class KernelModules {
  /** From the ELF header (elf.h): the table of sections, and its entry that holds their names. */
  private static final int ELF_SECTIONS = 0x28;

  private static final int ELF_SECTION_BYTES = 0x3a;
  private static final int ELF_SECTION_COUNT = 0x3c;
  private static final int ELF_SECTION_NAMES = 0x3e;
  private static final int ELF_HEADER_BYTES = 64;
  private static final int ELF_MAGIC = 0x464c457f;
  private static final byte ELF_64_BITS = 2;

  /** From an entry of the table of sections. */
  private static final int SECTION_OFFSET = 0x18;

  private static final int SECTION_SIZE = 0x20;

  private static final String SUFFIX = ".ko";
  private static final String DEPENDS = "depends=";

  private final Path directory;
  private final Map<String, Path> files = new TreeMap<>();

  /**
   * Lists the modules.
   *
   * @param directory {@code lib/modules/VERSION}
   */
  KernelModules(Path directory) throws IOException {
    this.directory = directory;
    try (Stream<Path> walk = Files.walk(directory.resolve("kernel"))) {
      walk.filter(path -> path.toString().endsWith(SUFFIX))
          .forEach(path -> files.put(nameOf(path), path));
    }
  }

  /** The directory in which the kernel's version looks for them, from the root. */
  String home() {
    return "lib/modules/" + directory.getFileName();
  }

  /** A module's path below {@link #home}. */
  String nameBelow(Path module) {
    return directory.relativize(module).toString();
  }

  /**
   * The modules with these names and all that they need, each after those that it needs.
   *
   * @param names with underscores, as lsmod(8) shows them
   * @throws LabException when one is not in the package, or its file is no module
   */
  List<Path> closure(Collection<String> names) throws IOException, LabException {
    Set<Path> ordered = new LinkedHashSet<>();
    for (String name : names) {
      add(name, name, ordered, new LinkedHashSet<>());
    }
    return List.copyOf(ordered);
  }

  /**
   * The text of {@code modules.dep} for the modules with these names: a line for each with all that
   * it needs, what has to be loaded first coming last.
   */
  String dependencies(Collection<String> names) throws IOException, LabException {
    StringBuilder text = new StringBuilder();
    for (Path module : closure(names)) {
      List<Path> needed = closure(List.of(nameOf(module)));
      text.append(nameBelow(module)).append(':');
      for (Path other : needed.reversed().subList(1, needed.size())) {
        text.append(' ').append(nameBelow(other));
      }
      text.append('\n');
    }
    return text.toString();
  }

  private void add(String name, String root, Set<Path> ordered, Set<String> above)
      throws IOException, LabException {
    Path file = files.get(name);
    if (file == null) {
      throw new LabException(
          "kernel module %s, which %s needs, is not in %s%s"
              .formatted(name, root, directory, compressedNote(name)));
    }
    if (!above.add(name)) {
      throw new LabException("kernel modules need each other: " + above);
    }
    if (!ordered.contains(file)) {
      for (String needed : needs(file)) {
        add(needed, root, ordered, above);
      }
      ordered.add(file);
    }
    above.remove(name);
  }

  /** The lab's kernel loads a module as its file is, and asks nothing to unpack it. */
  private String compressedNote(String name) throws IOException {
    try (Stream<Path> walk = Files.walk(directory)) {
      return walk.map(path -> String.valueOf(path.getFileName()).replace('-', '_'))
          .filter(file -> file.startsWith(name + SUFFIX + "."))
          .findFirst()
          .map(file -> ": " + file + " is compressed, and only plain modules can be loaded")
          .orElse("");
    }
  }

  private static String nameOf(Path module) {
    String file = String.valueOf(module.getFileName());
    return file.substring(0, file.length() - SUFFIX.length()).replace('-', '_');
  }

  /** The names of the modules that a module's symbols come from. */
  private static List<String> needs(Path module) throws IOException, LabException {
    ByteBuffer elf = ByteBuffer.wrap(Files.readAllBytes(module)).order(ByteOrder.LITTLE_ENDIAN);
    try {
      return Stream.of(section(elf, ".modinfo").split("\0"))
          .filter(entry -> entry.startsWith(DEPENDS))
          .flatMap(entry -> Stream.of(entry.substring(DEPENDS.length()).split(",")))
          .filter(name -> !name.isEmpty())
          .map(name -> name.replace('-', '_'))
          .toList();
    } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
      throw new LabException(module + " is not a kernel module: " + e.getMessage(), e);
    }
  }

  private static String section(ByteBuffer elf, String wanted) {
    if (elf.capacity() < ELF_HEADER_BYTES
        || elf.getInt(0) != ELF_MAGIC
        || elf.get(Integer.BYTES) != ELF_64_BITS) {
      throw new IllegalArgumentException("no ELF file of 64 bits");
    }
    int table = Math.toIntExact(elf.getLong(ELF_SECTIONS));
    int entryBytes = Short.toUnsignedInt(elf.getShort(ELF_SECTION_BYTES));
    int count = Short.toUnsignedInt(elf.getShort(ELF_SECTION_COUNT));
    int names = table + entryBytes * Short.toUnsignedInt(elf.getShort(ELF_SECTION_NAMES));
    String allNames = text(elf, names);
    for (int i = 0; i < count; i++) {
      int entry = table + i * entryBytes;
      int from = elf.getInt(entry);
      if (wanted.equals(allNames.substring(from, allNames.indexOf('\0', from)))) {
        return text(elf, entry);
      }
    }
    throw new IllegalArgumentException("no section " + wanted);
  }

  /** What the section of an entry holds. */
  private static String text(ByteBuffer elf, int entry) {
    int from = (int) elf.getLong(entry + SECTION_OFFSET);
    int size = (int) elf.getLong(entry + SECTION_SIZE);
    byte[] content = new byte[size];
    elf.get(from, content);
    return new String(content, StandardCharsets.ISO_8859_1);
  }
}
