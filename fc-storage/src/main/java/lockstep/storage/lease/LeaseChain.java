package lockstep.storage.lease;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.storage.lease.LeaseState.Mark;

/**
 * The state of a lease is the name of one file, its token, and changes by renaming it: of all who
 * want to leave one state, one finds the file, for a name that is gone never comes back. Nothing
 * else is needed, no lock above all, and who wakes up late changes nothing.
 *
 * <p>A second name of the token's, {@code IMAGE.lease}, stays for ever. It tells which of several
 * files is the token (its number is in both), and to make it starts a lease: of two starters one
 * finds it taken. Empty files hold the names that this epoch's claims and end will need, so that
 * these need no room on the medium.
 */
public final class LeaseChain {
  private static final Pattern TOKEN = Pattern.compile("lockstep lease 2 ([0-9a-f]{32})\n");
  private static final String RESERVED = "";
  private static final int TOKEN_BYTES = 16;

  /** While others change it, a look may miss the token; they do so seldom. */
  private static final int LOOKS = 8;

  /** What a look shows. */
  public sealed interface View {
    /** There is no lease. VMs may be alive all the same: their beats tell. */
    record Missing() implements View {}

    /**
     * Somebody has the image, or had it.
     *
     * @param token the lease's number
     * @param anchored whether {@code IMAGE.lease} is there
     */
    record At(LeaseState state, String token, boolean anchored) implements View {}

    /**
     * There are files, and they do not say who has it.
     *
     * @param why one line
     */
    record Unclear(String why) implements View {}
  }

  private final LeaseFiles files;

  /** The lease of one image. */
  public LeaseChain(LeaseFiles files) {
    this.files = files;
  }

  /**
   * Looks.
   *
   * @throws IOException when the directory, or a file in it, cannot be read; one line
   */
  public View read() throws IOException {
    View view = look();
    for (int i = 1; i < LOOKS && view instanceof View.Unclear; i++) {
      view = look();
    }
    return view;
  }

  /** The same, and what it shows is on the medium: two equal looks with a sync between them. */
  public View readSynced() throws IOException {
    View before = read();
    for (int i = 0; i < LOOKS; i++) {
      files.sync();
      View after = read();
      if (after.equals(before)) {
        return after;
      }
      before = after;
    }
    return new View.Unclear("the lease of disk %s keeps changing".formatted(files.subject()));
  }

  private View look() throws IOException {
    Optional<String> anchor = files.read("");
    List<View.At> tokens = new ArrayList<>();
    for (String name : files.list()) {
      Optional<LeaseState> state = LeaseState.parse(name);
      if (state.isPresent()) {
        files
            .read(name)
            .flatMap(LeaseChain::token)
            .ifPresent(token -> tokens.add(new View.At(state.get(), token, anchor.isPresent())));
      }
    }
    if (anchor.isEmpty()) {
      // Removed, or not made yet: the highest number is the latest.
      return latest(tokens).map(View.class::cast).orElseGet(View.Missing::new);
    }
    String wanted = token(anchor.get()).orElseThrow(this::damaged);
    tokens.removeIf(each -> !each.token().equals(wanted));
    return latest(tokens)
        .map(View.class::cast)
        .orElseGet(
            () ->
                new View.Unclear(
                    "the lease of disk %s has no readable state; %s"
                        .formatted(files.subject(), removal(files.subject()))));
  }

  private static Optional<View.At> latest(List<View.At> tokens) {
    return tokens.stream()
        .max(
            Comparator.comparingLong((View.At at) -> at.state().sequence())
                .thenComparing(at -> at.state().mark()));
  }

  private IOException damaged() {
    return new IOException(
        "%s.lease is damaged, or of another version of Lockstep; %s"
            .formatted(files.subject(), removal(files.subject())));
  }

  /** What it means to a VM that its lease is not there: one line. */
  public String missing() {
    return ("disk %s has no lease next to it; is its directory mounted? When its files were removed"
            + " and the other side is certainly dead: lockstep disk arbitrate --reopen")
        .formatted(files.subject());
  }

  /** What it means to a VM that another lease is there: one line. */
  public String another(LeaseState now) {
    return ("disk %s has another lease than the one that this VM entered (%s); is its directory"
            + " mounted?")
        .formatted(files.subject(), now.inWords());
  }

  private static String removal(String subject) {
    return "when no VM uses the disk, remove %s.lease and %s.lease.*".formatted(subject, subject);
  }

  private static Optional<String> token(String text) {
    Matcher matcher = TOKEN.matcher(text);
    return matcher.matches() ? Optional.of(matcher.group(1)) : Optional.empty();
  }

  /**
   * Starts a lease where there is none.
   *
   * @return its number; empty when somebody was first
   */
  public Optional<String> start(LeaseState state) throws IOException {
    byte[] random = new byte[TOKEN_BYTES];
    ThreadLocalRandom.current().nextBytes(random);
    String token = HexFormat.of().formatHex(random);
    reserve(state);
    files.create(state.name(), "lockstep lease 2 " + token + "\n");
    if (!anchor(state) && !files.read("").flatMap(LeaseChain::token).equals(Optional.of(token))) {
      files.delete(state.name());
      forget(state);
      return Optional.empty();
    }
    files.sync();
    return Optional.of(token);
  }

  /**
   * Puts {@code IMAGE.lease} there.
   *
   * @return false when it is there already, or the token is not
   */
  public boolean anchor(LeaseState state) throws IOException {
    try {
      files.link(state.name(), "");
      return true;
    } catch (FileAlreadyExistsException | NoSuchFileException e) {
      return false;
    }
  }

  /** Has names ready for all that an epoch can come to, on the medium with the next sync. */
  public void reserve(LeaseState state) throws IOException {
    for (Mark mark : EnumSet.of(Mark.PRIMARY, Mark.BACKUP, Mark.OVER)) {
      String name = state.with(mark).name();
      try {
        files.create(name, RESERVED);
      } catch (FileAlreadyExistsException e) {
        // Fine, if it is a file; a link is an error here.
        var unused = files.read(name);
      }
    }
  }

  /**
   * Changes the state; it is on the medium when this returns.
   *
   * @return false when the state was another one, or this is the second time
   */
  public boolean move(LeaseState from, LeaseState to) throws IOException {
    try {
      files.rename(from.name(), to.name());
    } catch (NoSuchFileException e) {
      return false;
    }
    files.sync();
    return true;
  }

  /** Removes the reserved names of an epoch that came to nothing. */
  public void forget(LeaseState state) throws IOException {
    for (Mark mark : EnumSet.of(Mark.PRIMARY, Mark.BACKUP, Mark.OVER)) {
      files.delete(state.with(mark).name());
    }
  }

  /**
   * Removes what earlier owners left: names that the token can never have again, and signs of life
   * of other VMs. One that lives finds its sign gone, and looks who has the image now.
   */
  public void clean(LeaseState now) throws IOException {
    for (String name : files.list()) {
      Optional<LeaseState> state = LeaseState.parse(name);
      boolean stale =
          state.isPresent()
              ? isPast(state.get(), now)
              : LeaseBeat.vm(name).map(vm -> !vm.equals(now.vm())).orElse(false);
      if (stale) {
        files.delete(name);
      }
    }
  }

  private static boolean isPast(LeaseState state, LeaseState now) {
    boolean sameOwner = state.vm().equals(now.vm()) && state.epoch() == now.epoch();
    return state.sequence() < now.sequence()
        || (state.sequence() == now.sequence()
            && (!sameOwner || (now.mark() == Mark.OVER && state.mark() != Mark.OVER)));
  }
}
