package lockstep.cli.bench;

import java.util.Arrays;

/** Medians of what benchmarks measure. */
final class Medians {
  private Medians() {}

  /** The middle one, or of an even number the upper of the two in the middle. */
  static double of(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
