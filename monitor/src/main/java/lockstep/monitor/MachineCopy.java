package lockstep.monitor;

import java.io.IOException;
import java.util.Optional;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.vcpu.RunResult;
import lockstep.sys.SysException;

/** A copy of a machine that is made while it runs; {@link StateCopy} is the real one's. */
public interface MachineCopy extends AutoCloseable {
  /** See {@link StateCopy#first}. */
  void first(Progress progress) throws IOException;

  /** See {@link StateCopy#collect}. */
  long collect() throws SysException;

  /** See {@link StateCopy#next}. */
  void next() throws IOException;

  /** See {@link StateCopy#finish}. */
  Optional<RunResult> finish(SavedInputs inputs) throws IOException, SysException;

  @Override
  void close() throws SysException;
}
