package lockstep.replay.ft;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import lockstep.monitor.state.Bytes;

/**
 * What the world sees of the VM, and what must hold of it: its record continues, one side speaks,
 * what is shown is acknowledged or the side is alone, and the VM lives as long as a side does that
 * had all that was shown.
 */
final class SimOutside {
  private record Write(int block, long number) {}

  private final SimWorld world;
  private final List<Integer> console = new ArrayList<>();
  private final Map<Write, Bytes> written = new HashMap<>();
  private Optional<SimSide> speaker = Optional.empty();
  private Optional<SimSide> winner = Optional.empty();

  /** Sides that have the VM with all that was shown: when the last of them is gone, so is it. */
  private final Set<SimSide> holders = new HashSet<>();

  private Optional<String> over = Optional.empty();
  private boolean detached;
  private boolean begun;

  SimOutside(SimWorld world) {
    this.world = world;
  }

  /** Bytes that were shown. */
  int shown() {
    return console.size();
  }

  /**
   * A side shows a byte.
   *
   * @param position which byte of the guest's console
   */
  void shows(SimSide side, long position, int value) {
    speaks(side, position < console.size());
    boolean knownAndLate = side.isLate() && mustBeSilent(side) && position < console.size();
    if (!knownAndLate) {
      // Else it left before whatever its guest may have seen since, and is compared below.
      side.reachesTheWorld();
    }
    if (position > console.size()) {
      world.fail(
          "%s shows byte %d, and bytes from %d were never shown"
              .formatted(side.name, position, console.size()));
    } else if (position == console.size()) {
      console.add(value);
    } else if (console.get((int) position) != value) {
      world.fail("%s shows byte %d differently".formatted(side.name, position));
    } else if (side.hasShown(position)) {
      world.fail("%s shows byte %d twice".formatted(side.name, position));
    }
  }

  /** Whether another side speaks, and this one has not won the disk since. */
  boolean mustBeSilent(SimSide side) {
    return speaker.isPresent() && !speaker.get().equals(side) && !winner.equals(Optional.of(side));
  }

  /**
   * One side speaks: another one only after it has won the disk. When the VM is over it may repeat
   * what it was not told that the world has seen.
   */
  private void speaks(SimSide side, boolean seen) {
    if (mustBeSilent(side) && side.isLate()) {
      // One write was under way when it lost: the other side shows the same.
      return;
    }
    if (mustBeSilent(side)) {
      world.fail(
          "%s shows something after %s has, unclaimed".formatted(side.name, speaker.get().name));
    }
    over.ifPresent(
        how -> {
          if (!speaker.equals(Optional.of(side)) && !seen) {
            world.fail("%s shows something, and the VM is over: %s".formatted(side.name, how));
          }
        });
    speaker = Optional.of(side);
  }

  /**
   * A write lands on the disk.
   *
   * @param last the number of the newest write of this block that has landed
   */
  void writes(SimSide side, int block, long last, long number, Bytes content) {
    side.reachesTheWorld();
    Write write = new Write(block, number);
    Bytes before = written.putIfAbsent(write, content);
    if (before != null && !Objects.equals(before, content)) {
      world.fail("%s writes number %d of block %d differently".formatted(side.name, number, block));
    }
    if (number < last) {
      world.fail(
          "write %d of block %d by %s lands on write %d".formatted(number, block, side.name, last));
    }
    if (number > last + 1) {
      world.fail(
          "write %d of block %d by %s lands after write %d: some are lost"
              .formatted(number, block, side.name, last));
    }
  }

  /** A side has won the disk: it has the VM, and no other. */
  void wins(SimSide side) {
    world.trace(side.name + " has the disk");
    winner = Optional.of(side);
    if (!side.isFaulty()) {
      // One that cannot become the VM must not win: the other one still has it.
      holders.clear();
    }
    holders.add(side);
  }

  /** The guest executes its first instruction: from here on there is a VM to lose. */
  void begins(SimSide side) {
    begun = true;
    holders.add(side);
  }

  /** A side is the VM, and no other one has it. */
  void isAlone(SimSide side) {
    if (winner.isEmpty() || winner.equals(Optional.of(side)) || holders.contains(side)) {
      holders.clear();
      holders.add(side);
    }
  }

  /** A backup has begun to follow: it goes on when the primary dies. */
  void follows(SimSide side) {
    detached = false;
    holders.add(side);
  }

  /** The user of the VM gives its protection up. */
  void detaches() {
    detached = true;
  }

  /** A backup waits for the next primary: when the user let it go it is no loss. */
  void waits(SimSide side) {
    if (detached) {
      holders.remove(side);
    }
  }

  /** The guest has ended, or its user has stopped it, and the world was told so. */
  void isOver(SimSide side, String how) {
    world.trace("the VM is over at %s: %s".formatted(side.name, how));
    over = Optional.of(how);
  }

  /** How the VM ended, if it did. */
  Optional<String> over() {
    return over;
  }

  /** Whether it is nobody's fault that there is no VM any more. */
  boolean mayBeGone() {
    // A VM that loses its first backup before its first instruction is not started.
    return !begun || over.isPresent() || holders.stream().allMatch(SimSide::isGone);
  }

  /** Who must go on, for a report. */
  String holders() {
    return holders.stream().map(side -> side.name).sorted().toList().toString();
  }
}
