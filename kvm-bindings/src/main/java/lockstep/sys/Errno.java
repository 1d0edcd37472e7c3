package lockstep.sys;

import java.lang.reflect.Field;
import lockstep.uapi.posix_h;

/** Names of error numbers. */
public final class Errno {
  private Errno() {}

  /** The C name, such as EACCES, or the number where it has none here. */
  public static String name(int errno) {
    for (Field field : posix_h.class.getFields()) {
      if (field.getName().matches("E[A-Z0-9]+") && valueOf(field) == errno) {
        return field.getName();
      }
    }
    return "errno " + errno;
  }

  static String describe(int errno) {
    return name(errno);
  }

  private static int valueOf(Field field) {
    try {
      return field.getType() == int.class ? field.getInt(null) : -1;
    } catch (IllegalAccessException e) {
      throw new AssertionError(e);
    }
  }
}
