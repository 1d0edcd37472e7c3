package lockstep.cli.disk;

import java.util.function.Consumer;
import lockstep.storage.FileLease;
import lockstep.storage.FileLease.Standing;

/** Tells the user when a disk's writes wait for its lease. Called by one thread at a time. */
public final class LeaseNotes implements Consumer<Standing> {
  private final FileLease lease;
  private final Consumer<String> notes;
  private Standing last = Standing.UNSURE;
  private boolean waits;

  /**
   * @param notes takes lines for the user
   */
  public LeaseNotes(FileLease lease, Consumer<String> notes) {
    this.lease = lease;
    this.notes = notes;
  }

  @Override
  public synchronized void accept(Standing now) {
    if (now == Standing.UNSURE && last == Standing.HELD) {
      waits = true;
      notes.accept("writes to the disk wait: its lease is not confirmed: " + lease.problem());
    } else if (now == Standing.HELD && waits) {
      waits = false;
      notes.accept("the disk's lease is confirmed again; its writes go on");
    }
    last = now;
  }
}
