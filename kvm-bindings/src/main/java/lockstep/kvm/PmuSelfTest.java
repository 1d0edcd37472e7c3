package lockstep.kvm;

import java.util.List;
import java.util.Optional;
import lockstep.kvm.PerfCounter.Event;
import lockstep.sys.SysException;
import lockstep.uapi.posix_h;

/**
 * Finds out whether this host has a counter that is good enough to name a point in the guest's
 * instruction stream: one that two runs of the same guest code leave at the same value.
 */
public final class PmuSelfTest {
  private static final Event AMD_ZEN = Event.raw("AMD Zen conditional branches", 0xd1);

  /** Intel CPUs were seen to skid by 100 to 125 branches, AMD Zen by up to 10,000. */
  private static final long INTEL_BRANCHES_SKID = 250;

  private static final long AMD_BRANCHES_SKID = 12_000;

  /** A branch in ten instructions or so. */
  private static final long INSTRUCTIONS_SKID = 10 * AMD_BRANCHES_SKID;

  /**
   * Retired conditional branches, by microarchitecture: Intel Core, Intel since Ice Lake, Intel
   * Atom; AMD Zen. Source: the vendors' event lists, as DESIGN names them.
   */
  private static final List<Event> CANDIDATES =
      List.of(
          Event.raw("Intel conditional branches", 0x1c4),
          Event.raw("Intel conditional branches (Ice Lake and later)", 0x11c4),
          Event.raw("Intel conditional branches (Atom)", 0x7ec4),
          AMD_ZEN,
          Event.INSTRUCTIONS);

  private static final int ROUNDS = 5;

  private PmuSelfTest() {}

  /** Guest code that does the same every time, on the calling thread. */
  public interface GuestRun {
    /** Runs it once from its start to its end. */
    void run() throws SysException;
  }

  /**
   * The answer.
   *
   * @param event the counter to use, or empty
   * @param reason one line for people: what was found, or why there is none
   * @param skidMargin events by which an overflow of it may stop the guest late; 0 without one
   */
  public record Result(Optional<Event> event, String reason, long skidMargin) {}

  /** Not measured: what is known of the CPUs' skid, doubled where the figure is an observation. */
  private static long skidMargin(Event event) {
    if (event.equals(Event.INSTRUCTIONS)) {
      return INSTRUCTIONS_SKID;
    }
    return event.equals(AMD_ZEN) ? AMD_BRANCHES_SKID : INTEL_BRANCHES_SKID;
  }

  /**
   * Tries the counters one after the other.
   *
   * @param run code with at least {@code atLeast} conditional branches
   * @param atLeast a counter that stays below counts something else
   * @throws SysException if the guest code itself fails
   */
  public static Result run(GuestRun run, long atLeast) throws SysException {
    String reason = "no counter was tried";
    for (Event event : CANDIDATES) {
      try (PerfCounter counter = PerfCounter.open(event)) {
        Optional<String> problem = problem(counter, run, atLeast);
        if (problem.isEmpty()) {
          return new Result(
              Optional.of(event), event.name() + ": the same in every run", skidMargin(event));
        }
        reason = event.name() + ": " + problem.get();
      } catch (SysException e) {
        if (!e.call().equals("perf_event_open")) {
          throw e;
        }
        reason = refusal(e);
      }
    }
    return new Result(Optional.empty(), reason, 0);
  }

  private static Optional<String> problem(PerfCounter counter, GuestRun run, long atLeast)
      throws SysException {
    long first = 0;
    for (int round = 0; round < ROUNDS; round++) {
      counter.start();
      run.run();
      counter.stop();
      long count = counter.read();
      if (count == PerfCounter.INEXACT) {
        return Optional.of("the counter did not stay on the PMU");
      }
      if (count < atLeast) {
        return Optional.of("counted " + count + " where at least " + atLeast + " happened");
      }
      if (round == 0) {
        first = count;
      } else if (count != first) {
        return Optional.of("counted " + first + " and " + count + " for the same code");
      }
    }
    return Optional.empty();
  }

  private static String refusal(SysException e) {
    return switch (e.errno()) {
      case posix_h.ENOENT, posix_h.EOPNOTSUPP, posix_h.ENODEV, posix_h.ENXIO ->
          "no hardware counters on this host (" + e.getMessage() + ")";
      case posix_h.EACCES, posix_h.EPERM ->
          "not allowed: lower kernel.perf_event_paranoid or grant CAP_PERFMON ("
              + e.getMessage()
              + ")";
      default -> String.valueOf(e.getMessage());
    };
  }
}
