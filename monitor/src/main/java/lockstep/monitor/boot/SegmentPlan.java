package lockstep.monitor.boot;

import java.util.ArrayList;
import java.util.List;

/** Collects segments and refuses what does not fit: outside RAM, or over another one. */
final class SegmentPlan {
  private static final int MAX_SEGMENTS = 512;

  private final String file;
  private final RamLayout ram;
  private final List<LoadSegment> segments = new ArrayList<>();

  SegmentPlan(String file, RamLayout ram) {
    this.file = file;
    this.ram = ram;
  }

  void add(LoadSegment segment) throws BootException {
    if (!ram.contains(segment.gpa(), segment.memoryBytes())) {
      throw new BootException(
          file,
          "%s needs memory 0x%x..0x%x and the guest has %d MiB"
              .formatted(segment.label(), segment.gpa(), segment.end(), ram.sizeBytes() >> 20),
          "give the guest more memory");
    }
    for (LoadSegment other : segments) {
      if (segment.overlaps(other)) {
        throw new BootException(
            file,
            "%s at 0x%x..0x%x lies over %s at 0x%x..0x%x"
                .formatted(
                    segment.label(),
                    segment.gpa(),
                    segment.end(),
                    other.label(),
                    other.gpa(),
                    other.end()),
            "link the kernel at 1 MiB or above");
      }
    }
    if (segments.size() == MAX_SEGMENTS) {
      throw new BootException(
          file, "has more than " + MAX_SEGMENTS + " segments and modules", "use fewer");
    }
    segments.add(segment);
  }

  /** The end of the highest segment so far. */
  long end() {
    long end = 0;
    for (LoadSegment segment : segments) {
      end = Math.max(end, segment.end());
    }
    return end;
  }

  List<LoadSegment> segments() {
    return segments;
  }
}
