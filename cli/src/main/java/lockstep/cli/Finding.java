package lockstep.cli;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * One row of {@code lockstep doctor}.
 *
 * @param name what was looked at
 * @param state whether it is as Lockstep wants it
 * @param value what was found
 * @param consequence what that means for the user
 */
record Finding(String name, State state, String value, String consequence) {
  /** How good it is. */
  enum State {
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
  static Finding of(String name, boolean good, String[] values, String[] consequences) {
    int index = good ? 0 : 1;
    return new Finding(name, good ? State.OK : State.LIMITED, values[index], consequences[index]);
  }

  Map<String, Object> json() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("name", name);
    map.put("state", state.word());
    map.put("value", value);
    map.put("consequence", consequence);
    return map;
  }
}
