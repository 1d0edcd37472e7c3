package lockstep.cli.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lockstep.cli.bench.DiskLoad.Kind;
import lockstep.cli.bench.DiskLoad.Shape;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.process.Programs;

/** The same load by fio, on the same medium with the same engine and the same way to the medium. */
final class FioPeer {
  /** As both sides call it. */
  static final String ENGINE = "io_uring";

  /** Places in fio's terse output, version 3 (its HOWTO, "Terse output"). */
  private static final int READS_PER_SECOND = 7;

  private static final int WRITES_PER_SECOND = 48;

  private final BenchWork work;
  private final Path program;
  private final Path medium;
  private final boolean direct;
  private final long sizeBytes;

  private FioPeer(BenchWork work, Path program, Path medium, boolean direct, long sizeBytes) {
    this.work = work;
    this.program = program;
    this.medium = medium;
    this.direct = direct;
    this.sizeBytes = sizeBytes;
  }

  /** Empty where there is no fio. */
  static Optional<FioPeer> find(BenchWork work, Path medium, boolean direct, long sizeBytes) {
    return Programs.find("fio")
        .map(program -> new FioPeer(work, program, medium, direct, sizeBytes));
  }

  /** Loads the medium for some time; completed requests a second. */
  double perSecond(Shape shape, int millis)
      throws IOException, InterruptedException, CommandFailure {
    boolean read = shape.kind() == Kind.READ;
    List<String> command =
        new ArrayList<>(
            List.of(
                program.toString(),
                "--name=lockstep",
                "--filename=" + medium,
                "--size=" + sizeBytes,
                "--rw=" + (read ? "randread" : "randwrite"),
                "--bs=" + shape.sizeBytes(),
                "--iodepth=" + shape.depth(),
                "--ioengine=" + ENGINE,
                "--direct=" + (direct ? 1 : 0),
                // What is in the page cache stays there, as on the other side.
                "--invalidate=0",
                "--norandommap",
                "--runtime=" + millis + "ms",
                "--time_based",
                "--output-format=terse",
                "--terse-version=3"));
    if (shape.kind() == Kind.FUA) {
      command.add("--sync=dsync");
    }
    String output = work.run(command).strip();
    String[] fields = output.substring(output.lastIndexOf('\n') + 1).split(";", -1);
    try {
      return Double.parseDouble(fields[read ? READS_PER_SECOND : WRITES_PER_SECOND]);
    } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
      throw new CommandFailure(
          "fio says something else: " + output, "try " + String.join(" ", command), e);
    }
  }
}
