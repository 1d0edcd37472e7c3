package lockstep.headers;

import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.SequenceLayout;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/**
 * Writes a C program of static assertions out of the Java layouts and constants: the C compiler
 * that accepts it agrees with every size, alignment, offset and value, and the text of an assertion
 * that fails names the Java class and field.
 *
 * <p>Padding and reserved members are left out: the kernel makes new fields from them, and nothing
 * may depend on them.
 */
final class HeaderAudit {
  /** Structs that carry their size in a field and grow with the kernel; ours is a prefix. */
  private static final Set<String> GROWING = Set.of("perf_event_attr");

  private static final String UNUSED = "_*(pad|padding|resv|reserved|unused|empty_).*|f_spare";

  private final SymbolList list;
  private final Function<String, Class<?>> classes;
  private final StringBuilder out = new StringBuilder();

  private HeaderAudit(SymbolList list, Function<String, Class<?>> classes) {
    this.list = list;
    this.classes = classes;
  }

  /**
   * The program for one umbrella header.
   *
   * @param classes finds the Java class of a C name ({@code kvm_run}) or of the header's constants
   *     ({@code kvm_h})
   */
  static String program(SymbolList list, Function<String, Class<?>> classes) {
    HeaderAudit audit = new HeaderAudit(list, classes);
    audit.out.append("#include \"%s.h\"\n#include <stddef.h>\n".formatted(list.header()));
    audit.out.append(
        """
        #define CONSTANT(type, name, value, text) \\
          _Static_assert(sizeof(name) == sizeof(type) && (type)(name) == (type)(value), text)
        #define AUDIT(actual, expected, text) _Static_assert((actual) == (expected), text)
        """);
    for (SymbolList.Symbol constant : list.constants()) {
      audit.constant(constant.name());
    }
    for (SymbolList.Symbol type : list.types()) {
      audit.type(type);
    }
    return audit.out.toString();
  }

  private void constant(String name) {
    String owner = list.header() + "_h";
    try {
      Field field = classes.apply(owner).getField(name);
      Object value = field.get(null);
      // javac copies the value into its users only if the field is a constant of the language.
      if (!Modifier.isFinal(field.getModifiers()) || !field.getType().isPrimitive()) {
        throw new HeaderException("%s.%s is not a constant".formatted(owner, name));
      }
      String text = "lockstep.uapi.%s.%s = %s".formatted(owner, name, value);
      switch (value) {
        case Integer i ->
            emit("CONSTANT(unsigned int, %s, %du, \"%s\");".formatted(name, unsigned(i), text));
        case Long l ->
            emit(
                "CONSTANT(unsigned long, %s, %sul, \"%s\");"
                    .formatted(name, Long.toUnsignedString(l), text));
        default -> throw new HeaderException(text + " has type " + field.getType());
      }
    } catch (ReflectiveOperationException e) {
      throw new HeaderException("lockstep.uapi.%s.%s: %s".formatted(owner, name, e));
    }
  }

  private static long unsigned(int value) {
    return Integer.toUnsignedLong(value);
  }

  private void type(SymbolList.Symbol type) {
    Class<?> javaClass = classes.apply(type.name());
    GroupLayout layout = (GroupLayout) invoke(javaClass, "layout");
    String cType = type.kind().equals("typedef") ? type.name() : type.kind() + " " + type.name();
    String name = "lockstep.uapi." + type.name();
    long size = (long) invoke(javaClass, "sizeof");
    if (GROWING.contains(type.name())) {
      emit("AUDIT(sizeof(%s) >= %dul, 1, \"%s size %d\");".formatted(cType, size, name, size));
    } else {
      emit("AUDIT(sizeof(%s), %dul, \"%s size %d\");".formatted(cType, size, name, size));
      emit("AUDIT(%dul, %dul, \"%s layout size\");".formatted(layout.byteSize(), size, name));
    }
    emit(
        "AUDIT(_Alignof(%s), %dul, \"%s alignment %d\");"
            .formatted(cType, layout.byteAlignment(), name, layout.byteAlignment()));
    members(new Place(cType, "", name, 0), layout, javaClass, 0);
  }

  /**
   * Where a group of members stands.
   *
   * @param cType the C type that offsets count from
   * @param path the C member path from there, ending in a dot unless empty
   * @param name the Java name for messages
   * @param offset of {@code path} in {@code cType}, bytes
   */
  private record Place(String cType, String path, String name, long offset) {}

  /**
   * {@code inner}: the offset in {@code javaClass} of an anonymous group that is merged into it.
   */
  private void members(Place place, GroupLayout group, Class<?> javaClass, long inner) {
    for (MemoryLayout member : group.memberLayouts()) {
      String name = member.name().orElse("");
      long offset =
          inner
              + (name.isEmpty()
                  ? 0
                  : group.byteOffset(MemoryLayout.PathElement.groupElement(name)));
      if (member instanceof PaddingLayout || name.matches(UNUSED)) {
        continue;
      }
      if (name.startsWith("$anon$") && member instanceof GroupLayout anonymous) {
        members(place, anonymous, javaClass, offset);
      } else {
        member(place, member, name, javaClass, offset);
      }
    }
  }

  private void member(Place at, MemoryLayout member, String name, Class<?> javaClass, long offset) {
    // glibc has macros for some members of unions (sa_handler); constants are done by now.
    emit("#undef " + name);
    String path = at.path() + name;
    String text = at.name() + "." + name;
    long total = at.offset() + offset;
    long accessor = at.offset() + (long) invoke(javaClass, javaName(javaClass, name) + "$offset");
    emit(
        "AUDIT(offsetof(%s, %s), %dul, \"%s offset %d\");"
            .formatted(at.cType(), path, total, text, total));
    if (accessor != total) {
      emit(
          "AUDIT(offsetof(%s, %s), %dul, \"%s accessor offset %d\");"
              .formatted(at.cType(), path, accessor, text, accessor));
    }
    MemoryLayout element = member;
    boolean flexible = member instanceof SequenceLayout s && s.elementCount() == 0;
    while (element instanceof SequenceLayout sequence) {
      element = sequence.elementLayout();
      path += "[0]";
    }
    // A flexible array has no size in C; its element has.
    MemoryLayout sized = flexible ? element : member;
    emit(
        "AUDIT(sizeof(((%s *)0)->%s), %dul, \"%s size %d\");"
            .formatted(
                at.cType(),
                flexible ? path : at.path() + name,
                sized.byteSize(),
                text,
                sized.byteSize()));
    Optional<Class<?>> nested = nested(javaClass, name);
    if (element instanceof GroupLayout group && nested.isPresent()) {
      members(new Place(at.cType(), path + ".", text, total), group, nested.get(), 0);
    }
  }

  /** The class of a member whose struct is declared in place. */
  private static Optional<Class<?>> nested(Class<?> javaClass, String member) {
    return Arrays.stream(javaClass.getClasses())
        .filter(c -> c.getSimpleName().matches("\\Q" + member + "\\E(_|\\$\\d+)?"))
        .findFirst();
  }

  /** jextract appends an underscore to a member that is a Java keyword. */
  private static String javaName(Class<?> javaClass, String member) {
    List<String> methods = Arrays.stream(javaClass.getMethods()).map(m -> m.getName()).toList();
    return methods.contains(member + "$offset") ? member : member + "_";
  }

  private static Object invoke(Class<?> javaClass, String method) {
    try {
      return javaClass.getMethod(method).invoke(null);
    } catch (ReflectiveOperationException e) {
      throw new HeaderException(javaClass.getName() + "." + method + "(): " + e);
    }
  }

  private void emit(String line) {
    out.append(line).append('\n');
  }
}
