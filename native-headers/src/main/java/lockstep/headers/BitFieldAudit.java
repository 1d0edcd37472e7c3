package lockstep.headers;

import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import lockstep.uapi.perf_event_h;
import lockstep.uapi.perf_event_mmap_page;

/**
 * Writes a C program that compares masks with the bit fields they stand for.
 *
 * <p>C has no constant expression for the place of a bit field, so this one relies on the
 * optimiser: it folds the comparison, and a call that is left over is an error that names the mask.
 * Compile with {@code -O2 -S}.
 */
final class BitFieldAudit {
  /**
   * A family of masks.
   *
   * @param header the header whose constants they are
   * @param prefix of the constants; the rest in lower case, after {@code member}, is the bit field
   * @param type the C struct that holds the bit fields
   * @param member prefix of the bit fields' names
   * @param word offset of the 64-bit word that the masks apply to, bytes
   */
  record Family(String header, String prefix, String type, String member, long word) {}

  static final List<Family> FAMILIES =
      List.of(
          new Family(
              "perf_event",
              "PERF_ATTR_FLAG_",
              "struct perf_event_attr",
              "",
              perf_event_h.PERF_ATTR_FLAGS_OFFSET),
          new Family(
              "perf_event",
              "PERF_MMAP_CAP_",
              "struct perf_event_mmap_page",
              "cap_",
              perf_event_mmap_page.capabilities$offset()));

  private BitFieldAudit() {}

  static String program(Family family, SymbolList list, Function<String, Class<?>> classes) {
    StringBuilder out = new StringBuilder("#include \"%s.h\"\n".formatted(family.header()));
    for (SymbolList.Symbol constant : list.constants()) {
      if (constant.name().startsWith(family.prefix())) {
        out.append(check(family, constant.name(), classes));
      }
    }
    return out.toString();
  }

  private static String check(Family f, String name, Function<String, Class<?>> classes) {
    String field = f.member() + name.substring(f.prefix().length()).toLowerCase(Locale.ROOT);
    long mask;
    try {
      mask = ((Number) classes.apply(f.header() + "_h").getField(name).get(null)).longValue();
    } catch (ReflectiveOperationException e) {
      throw new HeaderException(f.header() + "_h." + name + ": " + e);
    }
    return """
        extern void wrong_%1$s(void)
            __attribute__((error("lockstep.uapi.%2$s_h.%1$s = %3$d is not the bit field %5$s")));
        void check_%1$s(void) {
          union { %4$s s; unsigned long long words[sizeof(%4$s) / 8]; } u = {.words = {0}};
          u.s.%5$s = ~0ull;
          if (u.words[%6$d] != %3$dull) wrong_%1$s();
        }
        """
        .formatted(name, f.header(), mask, f.type(), field, f.word() / 8);
  }
}
