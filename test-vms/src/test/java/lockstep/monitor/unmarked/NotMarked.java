package lockstep.monitor.unmarked;

/** In a package without package-info. */
public final class NotMarked {
  private NotMarked() {}
}
