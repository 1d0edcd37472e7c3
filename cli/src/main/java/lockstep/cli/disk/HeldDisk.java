package lockstep.cli.disk;

import java.util.List;
import java.util.Optional;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.vcpu.RunResult;

/**
 * The disks of a VM that is in no pair. When another VM has taken one, the guest is stopped at
 * once, and not at its next request: it may make none for hours. Any thread.
 */
public final class HeldDisk {
  private final List<BlockDevice> media;
  private Optional<String> loss = Optional.empty();
  private Runnable stop = () -> {};

  /**
   * @param media closed at the end of the VM's run
   */
  public HeldDisk(List<BlockDevice> media) {
    this.media = List.copyOf(media);
  }

  /** For a VM without a disk. */
  public static HeldDisk none() {
    return new HeldDisk(List.of());
  }

  /** What carries out the requests of each disk. */
  public List<BlockDevice> media() {
    return media;
  }

  /** Another VM has it now; the first reason counts. */
  void lose(String reason) {
    Runnable told;
    synchronized (this) {
      loss = loss.or(() -> Optional.of(reason));
      told = stop;
    }
    told.run();
  }

  /** Has the guest stopped when the disk is lost; at once if it is. */
  public void stopsBy(Runnable guest) {
    boolean lost;
    synchronized (this) {
      stop = guest;
      lost = loss.isPresent();
    }
    if (lost) {
      guest.run();
    }
  }

  /** What a guest's end was: one that was stopped by the loss did not end in order. */
  public synchronized RunResult resultOf(RunResult end) {
    return end instanceof RunResult.Stopped && loss.isPresent()
        ? new RunResult.Fenced(loss.get())
        : end;
  }
}
