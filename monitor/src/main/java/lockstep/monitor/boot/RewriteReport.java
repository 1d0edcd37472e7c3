package lockstep.monitor.boot;

import java.util.List;

/**
 * What was rewritten in the kernel's text.
 *
 * @param sections executable sections swept
 * @param textBytes bytes swept
 * @param sites every rewritten instruction, in file order
 * @param resyncs places where the sweep met bytes that are no instruction and went on one byte
 *     later
 */
public record RewriteReport(int sections, long textBytes, List<Site> sites, long resyncs) {
  /** Nothing swept. */
  public static final RewriteReport NONE = new RewriteReport(0, 0, List.of(), 0);

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
  }

  /** How many of one kind. */
  public long count(Kind kind) {
    return sites.stream().filter(site -> site.kind() == kind).count();
  }

  /** One line for the log. */
  @Override
  public String toString() {
    return "%d RDTSC, %d RDTSCP, %d CPUID sites rewritten in %d bytes of %d sections"
        .formatted(count(Kind.RDTSC), count(Kind.RDTSCP), count(Kind.CPUID), textBytes, sections);
  }
}
