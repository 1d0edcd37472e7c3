package lockstep.monitor.boot;

import java.util.List;
import java.util.Optional;

/**
 * What was rewritten in the kernel's text.
 *
 * @param sections executable sections swept
 * @param textBytes bytes swept
 * @param sites every rewritten instruction, in file order
 * @param resyncs places where the sweep met bytes that are no instruction and went on one byte
 *     later
 * @param left places that look like such an instruction and were not rewritten, because it is not
 *     sure that they are code, or in which mode: a replay of a guest that executes them diverges
 */
public record RewriteReport(
    int sections, long textBytes, List<Site> sites, long resyncs, List<Site> left) {
  /** Nothing swept. */
  public static final RewriteReport NONE = new RewriteReport(0, 0, List.of(), 0, List.of());

  /** The instructions looked for. */
  public enum Kind {
    /** 0F 31. */
    RDTSC,
    /** 0F 01 F9. */
    RDTSCP,
    /** 0F A2. */
    CPUID
  }

  /**
   * One rewritten instruction.
   *
   * @param kind what it was
   * @param section the section's name
   * @param address its virtual address as linked
   */
  public record Site(Kind kind, String section, long address) {}

  /** Copies the list. */
  public RewriteReport {
    sites = List.copyOf(sites);
    left = List.copyOf(left);
  }

  /** How many of one kind. */
  public long count(Kind kind) {
    return sites.stream().filter(site -> site.kind() == kind).count();
  }

  /**
   * One line on what was left, empty if nothing was.
   *
   * @return such as "RDTSC at 0x100123 and 2 places more"
   */
  public Optional<String> leftOver() {
    if (left.isEmpty()) {
      return Optional.empty();
    }
    Site first = left.getFirst();
    return Optional.of(
        "%s at 0x%x".formatted(first.kind(), first.address())
            + (left.size() == 1 ? "" : " and %d places more".formatted(left.size() - 1)));
  }

  /** One line for the log. */
  @Override
  public String toString() {
    return "%d RDTSC, %d RDTSCP, %d CPUID sites rewritten in %d bytes of %d sections, %d left"
        .formatted(
            count(Kind.RDTSC),
            count(Kind.RDTSCP),
            count(Kind.CPUID),
            textBytes,
            sections,
            left.size());
  }
}
