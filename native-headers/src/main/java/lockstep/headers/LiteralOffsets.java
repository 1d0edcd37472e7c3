package lockstep.headers;

import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Writes a layout class's offsets and sizes as numbers, so that using a field initialises nothing.
 *
 * <p>jextract selects each field from the layout when the class is initialised. For kvm_run, with
 * its forty nested layouts, that took 35 to 55 ms of start-up. Here the layout moves to a holder
 * that is initialised only when somebody asks for it; the header audit compares numbers and layout
 * with the C headers, and so with each other.
 */
final class LiteralOffsets {
  private static final Pattern CLASS = Pattern.compile("^( *)public (?:static )?class (\\w+)\\b.*");
  private static final Pattern LAYOUT_START =
      Pattern.compile("^( *)private static final GroupLayout \\$LAYOUT = (.*)");
  private static final Pattern FIELD_LAYOUT =
      Pattern.compile(
          "^ *private static final (\\w+) (\\w+)\\$LAYOUT = \\(\\w+\\)\\$LAYOUT\\.select\\((.*)\\);");
  private static final Pattern FIELD_OFFSET =
      Pattern.compile("^ *private static final long (\\w+)\\$OFFSET = .*;");
  private static final Pattern USE_VALUE = Pattern.compile("(\\w+)\\$LAYOUT, (\\w+)\\$OFFSET");
  private static final Pattern USE_SLICE =
      Pattern.compile("(\\w+)\\$OFFSET, (\\w+)\\$LAYOUT\\.byteSize\\(\\)");
  private static final Pattern RETURN_LAYOUT = Pattern.compile("return (\\w+)\\$LAYOUT;");
  private static final Pattern RETURN_OFFSET = Pattern.compile("return (\\w+)\\$OFFSET;");

  private record FieldLayout(String type, String path) {}

  private final LayoutFacts facts;
  private final Deque<String> classes = new ArrayDeque<>();
  private final Deque<String> indents = new ArrayDeque<>();
  private final Map<String, FieldLayout> fields = new HashMap<>();
  private final StringBuilder out = new StringBuilder();
  private boolean inLayout;

  private LiteralOffsets(LayoutFacts facts) {
    this.facts = facts;
  }

  static String apply(String source, LayoutFacts facts) {
    LiteralOffsets rewriter = new LiteralOffsets(facts);
    source.lines().forEach(rewriter::line);
    return rewriter.out.toString().replaceAll("\\n(\\n)+", "\n\n").replace("{\n\n", "{\n");
  }

  private void line(String line) {
    Matcher m = CLASS.matcher(line);
    if (m.matches()) {
      classes.push(classes.isEmpty() ? m.group(2) : classes.peek() + "$" + m.group(2));
      indents.push(m.group(1));
    } else if (!indents.isEmpty() && line.equals(indents.peek() + "}")) {
      classes.pop();
      indents.pop();
    }
    if (inLayout) {
      if (!line.isBlank()) {
        emit("    " + line);
      }
      if (line.endsWith(";")) {
        inLayout = false;
        emit(indents.peek() + "    }");
      }
      return;
    }
    m = LAYOUT_START.matcher(line);
    if (m.matches()) {
      emit(m.group(1) + "private static final class $Layout {");
      emit(m.group(1) + "    static final GroupLayout LAYOUT = " + m.group(2));
      inLayout = true;
      return;
    }
    m = FIELD_LAYOUT.matcher(line);
    if (m.matches()) {
      fields.put(classes.peek() + "." + m.group(2), new FieldLayout(m.group(1), m.group(3)));
    } else if (!FIELD_OFFSET.matcher(line).matches()) {
      emit(rewrite(line));
    }
  }

  private void emit(String line) {
    out.append(line).append('\n');
  }

  private String rewrite(String line) {
    if (classes.isEmpty()) {
      return line;
    }
    String s = line;
    s = USE_VALUE.matcher(s).replaceAll(m -> valueLayout(m.group(1)) + ", " + offset(m.group(1)));
    s = USE_SLICE.matcher(s).replaceAll(m -> offset(m.group(1)) + ", " + size(m.group(1)));
    s = RETURN_OFFSET.matcher(s).replaceAll(m -> "return " + offset(m.group(1)) + ";");
    s = RETURN_LAYOUT.matcher(s).replaceAll(m -> Matcher.quoteReplacement(select(m.group(1))));
    s = s.replace("return $LAYOUT;", "return $Layout.LAYOUT;");
    return s.contains("layout()") ? sizes(s) : s;
  }

  private String sizes(String line) {
    GroupLayout layout = facts.layout(classes.element());
    String size = layout.byteSize() + "L";
    String alignment = layout.byteAlignment() + "L";
    return line.replace("layout().byteSize()", size)
        .replace(".allocate(layout())", ".allocate(%s, %s)".formatted(size, alignment))
        .replace(
            ".allocate(MemoryLayout.sequenceLayout(elementCount, layout()))",
            ".allocate(Math.multiplyExact(%s, elementCount), %s)".formatted(size, alignment));
  }

  private String select(String field) {
    FieldLayout f = fields.get(classes.peek() + "." + field);
    if (f == null) {
      throw new HeaderException(classes.peek() + "." + field + ": no layout declared before use");
    }
    return "return (%s) $Layout.LAYOUT.select(%s);".formatted(f.type(), f.path());
  }

  private String offset(String field) {
    return facts.offset(classes.element(), field) + "L";
  }

  private String size(String field) {
    return facts.fieldLayout(classes.element(), field).byteSize() + "L";
  }

  private String valueLayout(String field) {
    MemoryLayout layout = facts.fieldLayout(classes.element(), field).withoutName();
    boolean aligned = layout.byteAlignment() == layout.byteSize();
    FieldLayout f = fields.get(classes.peek() + "." + field);
    return switch (f == null ? "" : f.type()) {
      case "OfByte" -> "c_types.C_CHAR";
      case "OfShort" -> aligned ? "c_types.C_SHORT" : "ValueLayout.JAVA_SHORT_UNALIGNED";
      case "OfInt" -> aligned ? "c_types.C_INT" : "ValueLayout.JAVA_INT_UNALIGNED";
      case "OfLong" -> aligned ? "c_types.C_LONG" : "ValueLayout.JAVA_LONG_UNALIGNED";
      case "AddressLayout" -> "c_types.C_POINTER";
      default -> throw new HeaderException(classes.peek() + "." + field + ": type " + f);
    };
  }
}
