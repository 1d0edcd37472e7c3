package lockstep.monitor.boot;

import java.util.List;

/**
 * A loaded kernel as data: what goes where in guest memory, and how the vCPU enters it.
 *
 * @param kind the kind of file
 * @param segments every range to write; they lie in RAM and do not overlap
 * @param entry the way in
 * @param rewrites what was rewritten in the kernel's text
 */
public record BootImage(
    BootKind kind, List<LoadSegment> segments, CpuEntry entry, RewriteReport rewrites) {
  /** Copies the list. */
  public BootImage {
    segments = List.copyOf(segments);
  }

  /**
   * Writes every segment.
   *
   * @throws IllegalArgumentException when the RAM is not of the size the image was made for, as far
   *     as a segment would fall outside
   */
  public void writeTo(GuestRam ram) {
    RamLayout layout = new RamLayout(ram.sizeBytes());
    for (LoadSegment segment : segments) {
      if (!layout.contains(segment.gpa(), segment.memoryBytes())) {
        throw new IllegalArgumentException(segment + " lies outside " + layout);
      }
    }
    for (LoadSegment segment : segments) {
      segment.writeTo(ram);
    }
  }
}
