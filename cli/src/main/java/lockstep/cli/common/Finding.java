package lockstep.cli.common;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One row of what {@code lockstep doctor} and {@code lockstep disk probe} find.
 *
 * @param name what was looked at
 * @param state whether it is as Lockstep wants it
 * @param value what was found
 * @param consequence what that means for the user
 */
public record Finding(String name, State state, String value, String consequence) {
  /** How good it is. */
  public enum State {
    /** As it should be. */
    OK,
    /** Works, with a limit. */
    LIMITED,
    /** Not there. */
    MISSING;

    String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Good or limited, by a probe's answer. */
  public static Finding of(String name, boolean good, String[] values, String[] consequences) {
    int index = good ? 0 : 1;
    return new Finding(name, good ? State.OK : State.LIMITED, values[index], consequences[index]);
  }

  public Map<String, Object> json() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("name", name);
    map.put("state", state.word());
    map.put("value", value);
    map.put("consequence", consequence);
    return map;
  }

  /** Prints rows in columns. */
  public static void print(PrintWriter out, List<Finding> findings) {
    int nameWidth = width(findings.stream().map(Finding::name).toList());
    int valueWidth = width(findings.stream().map(Finding::value).toList());
    String row = "%-" + nameWidth + "s  %-7s  %-" + valueWidth + "s  %s%n";
    for (Finding finding : findings) {
      out.printf(
          row, finding.name(), finding.state().word(), finding.value(), finding.consequence());
    }
  }

  private static int width(List<String> texts) {
    return texts.stream().mapToInt(String::length).max().orElse(1);
  }
}
