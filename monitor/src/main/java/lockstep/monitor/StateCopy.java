package lockstep.monitor;

import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.Optional;
import lockstep.kvm.GuestMemory;
import lockstep.monitor.snapshot.MemoryWriter;
import lockstep.monitor.snapshot.Packing;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.snapshot.SectionWriter;
import lockstep.monitor.vcpu.RunResult;
import lockstep.sys.SysException;

/**
 * A machine on its way to another host while it runs (pre-copy): all of its memory, then in rounds
 * what it has written meanwhile, and at last, while it stands, the rest and its state.
 *
 * <pre>{@code
 * copy.first(progress);   // any thread
 * copy.collect();         // the vCPU's
 * copy.next();            // any thread
 * copy.finish(inputs);    // the vCPU's
 * }</pre>
 *
 * <p>Calls may not overlap, and a caller sees to it that one thread's are visible to the next.
 */
public final class StateCopy implements MachineCopy {
  /** Completes a pending instruction. */
  interface Settle {
    Optional<RunResult> settle() throws SysException;
  }

  /** Takes the machine's state but for its memory. */
  interface Capture {
    MachineState capture(SavedInputs inputs) throws SysException;
  }

  private final DirtyPages.Asker dirty;
  private final MachineOrigin origin;
  private final Settle settle;
  private final Capture capture;
  private final OutputStream out;
  private final Packing packing;
  private final GuestMemory memory;
  private List<long[]> pages;
  private Optional<Sending> sending = Optional.empty();

  /** What writes, from the first byte on. */
  private record Sending(SectionWriter sections, MemoryWriter memory) {}

  /** The parts of the machine that is copied. */
  record Source(
      GuestMemory memory,
      DirtyPages.Asker dirty,
      MachineOrigin origin,
      Settle settle,
      Capture capture) {}

  StateCopy(Source source, OutputStream out, Packing packing) {
    this.memory = source.memory();
    this.dirty = source.dirty();
    this.origin = source.origin();
    this.settle = source.settle();
    this.capture = source.capture();
    this.out = out;
    this.packing = packing;
    this.pages = source.dirty().none();
  }

  /** Writes all memory that is not zero. */
  @Override
  public void first(Progress progress) throws IOException {
    SectionWriter sections = new SectionWriter(out);
    SavedMachine.writeOrigin(origin, sections);
    MemoryWriter writer = new MemoryWriter(memory, sections, packing);
    sending = Optional.of(new Sending(sections, writer));
    writer.writeAll(progress);
  }

  /**
   * Notes what was written since the last time.
   *
   * @return how many bytes of memory are to be written again
   */
  @Override
  public long collect() throws SysException {
    dirty.addTo(pages);
    long count = 0;
    for (long[] words : pages) {
      for (long word : words) {
        count += Long.bitCount(word);
      }
    }
    return count * GuestMemory.PAGE_BYTES;
  }

  /** Writes what was noted. */
  @Override
  public void next() throws IOException {
    List<long[]> now = pages;
    pages = dirty.none();
    sending().memory.writePages(now);
  }

  private Sending sending() {
    return sending.orElseThrow(() -> new IllegalStateException("nothing was written before"));
  }

  /**
   * Writes the rest; the machine stands. What it writes from now on is not in the copy.
   *
   * @param inputs what the InputSource adds
   * @return how the guest ended itself, and then the copy is worth nothing; empty when it is whole
   */
  @Override
  public Optional<RunResult> finish(SavedInputs inputs) throws IOException, SysException {
    Optional<RunResult> ended = settle.settle();
    if (ended.isEmpty()) {
      SavedMachine.writeState(capture.capture(inputs), sending().sections);
      collect();
      next();
      sending().sections.end();
    }
    return ended;
  }

  /** Ends the tracking of written pages. */
  @Override
  public void close() throws SysException {
    sending.ifPresent(now -> now.memory.close());
    dirty.close();
  }
}
