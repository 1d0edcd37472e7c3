package lockstep.cli.common;

import java.util.Collection;
import java.util.Iterator;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Writes JSON, as much of it as the commands need. */
public final class Json {
  private static final int FIRST_PRINTABLE = 0x20;

  private Json() {}

  /** Maps, collections, strings, numbers, booleans; an empty Optional is null. */
  public static String of(Object value) {
    StringBuilder text = new StringBuilder();
    append(text, value);
    return text.toString();
  }

  private static void append(StringBuilder text, Object value) {
    switch (value) {
      case Map<?, ?> map -> appendMap(text, map);
      case Collection<?> list -> appendList(text, list);
      case Optional<?> optional -> {
        if (optional.isPresent()) {
          append(text, optional.get());
        } else {
          text.append("null");
        }
      }
      case Double number ->
          text.append(
              Double.isFinite(number) ? String.format(Locale.ROOT, "%.6g", number) : "null");
      case Number number -> text.append(number);
      case Boolean bool -> text.append(bool);
      default -> quote(text, value.toString());
    }
  }

  private static void appendMap(StringBuilder text, Map<?, ?> map) {
    text.append('{');
    Iterator<? extends Map.Entry<?, ?>> entries = map.entrySet().iterator();
    while (entries.hasNext()) {
      Map.Entry<?, ?> entry = entries.next();
      quote(text, String.valueOf(entry.getKey()));
      text.append(": ");
      append(text, entry.getValue());
      text.append(entries.hasNext() ? ", " : "");
    }
    text.append('}');
  }

  private static void appendList(StringBuilder text, Collection<?> list) {
    text.append("[\n");
    Iterator<?> elements = list.iterator();
    while (elements.hasNext()) {
      text.append("  ");
      append(text, elements.next());
      text.append(elements.hasNext() ? ",\n" : "\n");
    }
    text.append(']');
  }

  private static void quote(StringBuilder text, String value) {
    text.append('"');
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c == '"' || c == '\\') {
        text.append('\\').append(c);
      } else if (c < FIRST_PRINTABLE) {
        text.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
      } else {
        text.append(c);
      }
    }
    text.append('"');
  }
}
