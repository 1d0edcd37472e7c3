package lockstep.headers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HeaderAuditTest {
  @TempDir Path dir = Path.of("");
  private List<SymbolList> lists = List.of();

  @BeforeEach
  void readLists() throws IOException {
    lists = Uapi.lists();
  }

  @Test
  void aLayoutOrConstantThatDiffersFromTheHostsHeadersIsNamed() throws Exception {
    CCompiler.require(lists, dir);
    long assertions = 0;
    for (SymbolList list : lists) {
      String program = HeaderAudit.program(list, Uapi::load);
      assertEquals("", failures(CCompiler.errors(program, dir, "-fsyntax-only")), list.header());
      assertions +=
          program.lines().filter(l -> l.startsWith("AUDIT(") || l.startsWith("CONSTANT(")).count();
    }
    System.out.println("header audit: " + assertions + " assertions hold");
    assertTrue(assertions > 2000, "the audit has shrunk to " + assertions + " assertions");
  }

  @Test
  void aMaskThatIsNotItsBitFieldIsNamed() throws Exception {
    CCompiler.require(lists, dir);
    for (BitFieldAudit.Family family : BitFieldAudit.FAMILIES) {
      String program = BitFieldAudit.program(family, list(family.header()), Uapi::load);
      assertTrue(program.contains("check_" + family.prefix()), family.prefix());
      assertEquals("", failures(CCompiler.errors(program, dir, "-O2", "-S", "-o", "/dev/null")));
    }
  }

  @Test
  void aClassThatNoListNamesEscapesTheAudit() throws Exception {
    Set<String> listed = new HashSet<>(Set.of("c_types", "package-info"));
    for (SymbolList list : lists) {
      listed.add(list.header() + "_h");
      list.types().forEach(t -> listed.add(t.name()));
    }
    assertEquals(Set.of(), minus(Uapi.classNames(), listed), "classes that are not audited");
    for (SymbolList list : lists) {
      Set<String> names = new HashSet<>();
      list.constants().forEach(c -> names.add(c.name()));
      Set<String> fields =
          Stream.of(Uapi.load(list.header() + "_h").getFields())
              .map(f -> f.getName())
              .collect(Collectors.toSet());
      assertEquals(Set.of(), minus(fields, names), "constants that are not audited");
    }
  }

  @Test
  void plantedWrongOffsetFailsByName() throws Exception {
    CCompiler.require(lists, dir);
    SymbolList list = SymbolList.parse("kvm", List.of("struct kvm_dtable"));
    String program = HeaderAudit.program(list, _ -> PlantedDtable.class);
    String errors = failures(CCompiler.errors(program, dir, "-fsyntax-only"));
    assertTrue(errors.contains("lockstep.uapi.kvm_dtable.limit offset 10"), errors);
    assertEquals(1, errors.lines().count(), errors);
  }

  @Test
  void plantedWrongAccessorFailsByName() throws Exception {
    CCompiler.require(lists, dir);
    SymbolList list = SymbolList.parse("posix", List.of("struct winsize"));
    String program = HeaderAudit.program(list, _ -> PlantedWinsize.class);
    String errors = failures(CCompiler.errors(program, dir, "-fsyntax-only"));
    assertTrue(errors.contains("lockstep.uapi.winsize.ws_col accessor offset 4"), errors);
    assertEquals(1, errors.lines().count(), errors);
  }

  @Test
  void plantedWrongConstantFailsByName() throws Exception {
    CCompiler.require(lists, dir);
    SymbolList list =
        SymbolList.parse("kvm", List.of("constant KVM_EXIT_HLT", "constant KVM_EXIT_IO"));
    String program = HeaderAudit.program(list, _ -> PlantedConstants.class);
    String errors = failures(CCompiler.errors(program, dir, "-fsyntax-only"));
    assertTrue(errors.contains("lockstep.uapi.kvm_h.KVM_EXIT_IO = 3"), errors);
    assertEquals(1, errors.lines().count(), errors);
  }

  @Test
  void plantedWrongMaskFailsByName() throws Exception {
    CCompiler.require(lists, dir);
    SymbolList list =
        SymbolList.parse(
            "perf_event",
            List.of("constant PERF_ATTR_FLAG_DISABLED", "constant PERF_ATTR_FLAG_EXCLUDE_HOST"));
    String program =
        BitFieldAudit.program(BitFieldAudit.FAMILIES.getFirst(), list, _ -> PlantedMasks.class);
    String errors = failures(CCompiler.errors(program, dir, "-O2", "-S", "-o", "/dev/null"));
    assertTrue(errors.contains("perf_event_h.PERF_ATTR_FLAG_EXCLUDE_HOST = 262144"), errors);
    assertEquals(1, errors.lines().count(), errors);
  }

  private SymbolList list(String header) {
    return lists.stream().filter(l -> l.header().equals(header)).findFirst().orElseThrow();
  }

  private static Set<String> minus(Set<String> all, Set<String> known) {
    Set<String> rest = new HashSet<>(all);
    rest.removeAll(known);
    return rest;
  }

  /** The lines that say what is wrong, without the compiler's source excerpts. */
  private static String failures(String log) {
    List<String> errors = new ArrayList<>();
    log.lines().filter(l -> l.contains("error:") || l.startsWith("cc ")).forEach(errors::add);
    return String.join("\n", errors);
  }

  /** kvm_dtable with {@code limit} two bytes late. */
  public static final class PlantedDtable {
    private PlantedDtable() {}

    public static GroupLayout layout() {
      return MemoryLayout.structLayout(
          ValueLayout.JAVA_LONG.withName("base"),
          MemoryLayout.paddingLayout(2),
          ValueLayout.JAVA_SHORT.withName("limit"),
          MemoryLayout.sequenceLayout(2, ValueLayout.JAVA_SHORT).withName("padding"));
    }

    public static long sizeof() {
      return 16;
    }

    public static long base$offset() {
      return 0;
    }

    public static long limit$offset() {
      return 10;
    }
  }

  /** winsize with a right layout and a wrong number in one accessor. */
  public static final class PlantedWinsize {
    private PlantedWinsize() {}

    public static GroupLayout layout() {
      return lockstep.uapi.winsize.layout();
    }

    public static long sizeof() {
      return 8;
    }

    public static long ws_row$offset() {
      return 0;
    }

    public static long ws_col$offset() {
      return 4;
    }

    public static long ws_xpixel$offset() {
      return 4;
    }

    public static long ws_ypixel$offset() {
      return 6;
    }
  }

  /** One right constant and one wrong. */
  public static final class PlantedConstants {
    private PlantedConstants() {}

    public static final int KVM_EXIT_HLT = 5;
    public static final int KVM_EXIT_IO = 3;
  }

  /** One right mask and one that is a bit too low. */
  public static final class PlantedMasks {
    private PlantedMasks() {}

    public static final int PERF_ATTR_FLAG_DISABLED = 1;
    public static final int PERF_ATTR_FLAG_EXCLUDE_HOST = 1 << 18;
  }
}
