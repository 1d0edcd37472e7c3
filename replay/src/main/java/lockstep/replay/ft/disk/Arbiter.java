package lockstep.replay.ft.disk;

import java.io.IOException;

/**
 * The test-and-set on the shared disk that lets exactly one side of a pair continue (VM-FT, section
 * 2.3). Implemented by storage; one per disk. Calls may block for a bounded time; one thread at a
 * time. No default methods: one that passes calls on to another must not forget any.
 */
public interface Arbiter extends AutoCloseable {
  /** What a claim came to. */
  enum Verdict {
    /** This side goes on. Every later claim of the other side is LOST, for ever. */
    WON,
    /** The other side, or a later pair, has the disk: this side must halt. For ever. */
    LOST,
    /** The storage gave no clear answer: claim again, and do not go on before that. */
    UNKNOWN
  }

  /**
   * A verdict and why.
   *
   * @param reason one line for people
   */
  record Ruling(Verdict verdict, String reason) {}

  /**
   * Makes a side known to the disk before its pair is formed; it may be called again with the same
   * claimant. The {@code PRIMARY} of epoch 1 takes the disk over from whatever VM had it before,
   * unless that one is alive, as far as this storage can tell; that of a later epoch must have won
   * the one before. The {@code BACKUP} enters after its primary.
   *
   * @throws IOException when the storage refuses or cannot be reached; the message is one line
   */
  void enter(Claimant self) throws IOException;

  /**
   * The test-and-set: of the two sides of a pair, the first to claim wins, also when both claim at
   * the same moment. Claiming again gives the same verdict. After WON, storage that can fence
   * refuses all later writes of the other side.
   */
  Ruling claim(Claimant self) throws InterruptedException;

  /**
   * Primary: says whether its backup may claim from now on. It may from {@code Begin} until the
   * primary has won or the backup has promised never to. Storage that can forget a verdict must not
   * count the disk as this side's while it may: the backup may have won what was forgotten.
   *
   * <p>Any thread; returns at once.
   */
  void contested(boolean may);

  /**
   * Primary: the backup still followed at that time, as one of its heartbeats proves, and so had
   * not won before.
   *
   * <p>Any thread; returns at once.
   *
   * @param nanos see {@link lockstep.sys.Scheduler#steadyNanos}
   */
  void followed(long nanos);

  /**
   * A backup that was let go takes no part any more: it does not count as alive, and its writes are
   * not wanted. The disk stays its VM's.
   */
  void part(Claimant self) throws IOException;

  /** Gives up what {@link #enter} took, in order, so that the disk is free. */
  void leave(Claimant self) throws IOException;

  /**
   * Whether this side may write now, as far as the arbiter knows; cheap, any thread. False while
   * that is not known (a process that was stopped has to look first) and for ever after a loss.
   * Storage that refuses a loser's writes itself need not be asked.
   */
  boolean holds();

  /** Whether a lost side's writes are refused by the storage itself. */
  boolean fences();

  /** Lets go of descriptors and connections; claims stay. */
  @Override
  void close() throws IOException;
}
