package lockstep.storage.lease;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.replay.ft.disk.Claimant;

/**
 * Who has an image, as the name of its token says it. No state comes a second time: the sequence
 * number rises with every owner and every pair, and within one of them a mark is final.
 *
 * @param sequence 1 for the first owner, one more for each later owner or pair
 * @param vm see {@link Claimant}
 * @param epoch see {@link Claimant}
 */
public record LeaseState(long sequence, String vm, long epoch, Mark mark) {
  private static final Pattern NAME =
      Pattern.compile(
          "\\.([0-9]{1,18})\\.([0-9a-f]{32})\\.([0-9]{1,8})\\.(open|primary|backup|over)");

  /** What has become of an epoch. */
  public enum Mark {
    /** Nobody has claimed it. */
    OPEN,
    /** The primary has won it. */
    PRIMARY,
    /** The backup has won it. */
    BACKUP,
    /** The VM is over, or has given the image up. */
    OVER;

    private String word() {
      return name().toLowerCase(Locale.ROOT);
    }

    /** That of a side that has won. */
    public static Mark of(Claimant.Side side) {
      return switch (side) {
        case PRIMARY -> PRIMARY;
        case BACKUP -> BACKUP;
      };
    }
  }

  /** What follows {@code IMAGE.lease} in the token's name. */
  public String name() {
    return ".%d.%s.%d.%s".formatted(sequence, vm, epoch, mark.word());
  }

  /** Reads a name; empty when it is none of these. */
  public static Optional<LeaseState> parse(String name) {
    Matcher matcher = NAME.matcher(name);
    if (!matcher.matches()) {
      return Optional.empty();
    }
    return Optional.of(
        new LeaseState(
            Long.parseLong(matcher.group(1)),
            matcher.group(2),
            Long.parseLong(matcher.group(3)),
            Mark.valueOf(matcher.group(4).toUpperCase(Locale.ROOT))));
  }

  /** The same epoch of the same VM with another mark. */
  public LeaseState with(Mark other) {
    return new LeaseState(sequence, vm, epoch, other);
  }

  /** The next owner's, or the next pair's. */
  public LeaseState next(Claimant owner) {
    return new LeaseState(sequence + 1, owner.vm(), owner.epoch(), Mark.OPEN);
  }

  /** The first one of an image. */
  public static LeaseState first(Claimant owner) {
    return new LeaseState(1, owner.vm(), owner.epoch(), Mark.OPEN);
  }

  /** Whether it is about this VM and epoch. */
  public boolean isOf(Claimant claimant) {
    return vm.equals(claimant.vm()) && epoch == claimant.epoch();
  }

  /** For people: a phrase. */
  public String inWords() {
    String who = "VM %s, epoch %d".formatted(vm, epoch);
    return switch (mark) {
      case OPEN -> who;
      case PRIMARY -> who + ", won by its primary";
      case BACKUP -> who + ", won by its backup";
      case OVER -> who + ", which has ended";
    };
  }
}
