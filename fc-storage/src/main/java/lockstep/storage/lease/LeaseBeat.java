package lockstep.storage.lease;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.replay.ft.disk.Claimant;

/** The file in which one side of a VM shows that it lives: its names and its text. */
public final class LeaseBeat {
  private static final Pattern NAME =
      Pattern.compile("\\.beat\\.([0-9a-f]{32})\\.(primary|backup)");
  private static final int LABEL_CHARS = 96;

  private LeaseBeat() {}

  /** What follows {@code IMAGE.lease} in the name of a side's file. */
  public static String name(String vm, Claimant.Side side) {
    return ".beat." + vm + "." + side.name().toLowerCase(Locale.ROOT);
  }

  /** The VM whose file this is; empty when the name is none of these. */
  public static Optional<String> vm(String name) {
    Matcher matcher = NAME.matcher(name);
    return matcher.matches() ? Optional.of(matcher.group(1)) : Optional.empty();
  }

  /**
   * A text that is as long as every other one.
   *
   * @param number another one each time
   * @param label which process, for people
   */
  public static String text(long number, String label) {
    String cut = label.replaceAll("[^ -~]", "?");
    return "%016x %-96s\n".formatted(number, cut.substring(0, Math.min(LABEL_CHARS, cut.length())));
  }

  /** Which process wrote it; a guess where the text is none of ours. */
  public static String label(String text) {
    int space = text.indexOf(' ');
    return text.substring(space + 1).strip();
  }
}
