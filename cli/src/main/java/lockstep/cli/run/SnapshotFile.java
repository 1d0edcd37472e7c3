package lockstep.cli.run;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.cli.common.CommandFailure;
import lockstep.monitor.Machine;
import lockstep.monitor.SavedInputs;
import lockstep.monitor.SavedMachine;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.snapshot.SnapshotException;
import lockstep.monitor.vcpu.RunResult;
import lockstep.replay.ft.FtVm;
import lockstep.replay.ft.vcpu.VcpuCommands;
import lockstep.sys.SysException;

/**
 * A file with a saved machine. It appears under its name when it is complete and on the disk, in
 * place of an older one: a reader never finds half a snapshot, nor does a failure cost the old one.
 * Only its owner may read it, for it holds all that the guest had in memory.
 */
public final class SnapshotFile {
  /** A machine's chunk of memory and its header pass without being cut. */
  private static final int BUFFER_BYTES = 2 << 20;

  private static final long REPORT_NANOS = TimeUnit.SECONDS.toNanos(2);

  private final Path path;
  private final Consumer<String> notes;

  /**
   * @param path where it is or will be
   * @param notes takes lines for the user
   */
  public SnapshotFile(Path path, Consumer<String> notes) {
    this.path = path;
    this.notes = notes;
  }

  /** Fails now rather than after hours of running if the file could not be written. */
  public void checkWritable() throws CommandFailure {
    if (Files.isDirectory(path)) {
      throw new CommandFailure(this + " is a directory", "give the name of a file");
    }
    if (!Files.isDirectory(directory()) || !Files.isWritable(directory())) {
      throw new CommandFailure(
          this + ": cannot write into " + directory(), "make that directory, or give another one");
    }
  }

  private Path directory() {
    Path parent = path.toAbsolutePath().getParent();
    return parent == null ? path.getRoot() : parent;
  }

  /**
   * Writes a machine that stands between two runs.
   *
   * @return how the guest ended itself in completing its last instruction, and then nothing was
   *     written; empty for a written snapshot
   * @throws CommandFailure when the file cannot be written; there is no trace of the attempt
   */
  public Optional<RunResult> write(Machine machine, SavedInputs inputs)
      throws CommandFailure, SysException {
    return write((out, progress) -> machine.save(out, inputs, progress));
  }

  /** Writes a machine to a stream, such as {@link Machine#save}. */
  interface Saver<E extends Exception> {
    /** As {@link #write(Machine, SavedInputs)}. */
    Optional<RunResult> save(OutputStream out, Progress progress) throws IOException, E;
  }

  /** A machine that runs, and can be stopped for something that is done with it. */
  @FunctionalInterface
  public interface Stander {
    /** See {@link VcpuCommands#inspect}. */
    Future<Optional<RunResult>> stand(FtVm.Inspection work) throws IOException;
  }

  /** What is waited for before a snapshot appears. */
  @FunctionalInterface
  public interface Admission {
    /** For a VM that nothing can undo. */
    Admission AT_ONCE = Optional::empty;

    /** Waits, and says why the snapshot may not appear; empty when it may. */
    Optional<String> refusal() throws InterruptedException;
  }

  /**
   * Writes a machine that runs on another thread. It stands while its state is taken, and not while
   * the disk is waited for.
   *
   * @param admission what is waited for when all is written; without it there is no trace
   * @throws IOException when the VM is not here or not any more; one line
   */
  public void write(Stander vm, Admission admission)
      throws IOException, CommandFailure, InterruptedException {
    long start = System.nanoTime();
    Path part = part();
    try {
      Optional<RunResult> ended =
          this.<Exception>fill(
              part,
              (out, progress) ->
                  vm.stand((machine, inputs) -> machine.save(out, inputs, progress)).get());
      if (ended.isPresent()) {
        throw new IOException("the guest has ended; there is nothing to save");
      }
      Optional<String> refusal = admission.refusal();
      if (refusal.isPresent()) {
        throw new IOException(this + ": not written: " + refusal.get());
      }
      place(part, start);
    } catch (CancellationException e) {
      throw new IOException("the VM does not run here", e);
    } catch (IOException | CommandFailure | InterruptedException e) {
      throw e;
    } catch (ExecutionException e) {
      throw new IOException(
          this + ": " + (e.getCause() instanceof IOException io ? reason(io) : e.getCause()), e);
    } catch (Exception e) {
      throw new IOException(this + ": " + e, e);
    } finally {
      Files.deleteIfExists(part);
    }
  }

  /** The same for a machine that is written elsewhere, on its own thread perhaps. */
  <E extends Exception> Optional<RunResult> write(Saver<E> saver) throws CommandFailure, E {
    long start = System.nanoTime();
    Path part = part();
    try {
      Optional<RunResult> ended = fill(part, saver);
      if (ended.isEmpty()) {
        place(part, start);
      }
      return ended;
    } finally {
      remove(part);
    }
  }

  /** An empty file; in the same directory, because a move between file systems is not atomic. */
  private Path part() throws CommandFailure {
    try {
      return Files.createTempFile(directory(), "." + path.getFileName() + ".", ".part");
    } catch (IOException e) {
      throw unwritten(e);
    }
  }

  private void remove(Path part) throws CommandFailure {
    try {
      Files.deleteIfExists(part);
    } catch (IOException e) {
      throw unwritten(e);
    }
  }

  /** Returns when all is on the disk. */
  private <E extends Exception> Optional<RunResult> fill(Path part, Saver<E> saver)
      throws CommandFailure, E {
    try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE);
        OutputStream out =
            new BufferedOutputStream(Channels.newOutputStream(channel), BUFFER_BYTES)) {
      Optional<RunResult> ended = saver.save(out, progress("writing"));
      out.flush();
      channel.force(true);
      return ended;
    } catch (IOException e) {
      throw unwritten(e);
    }
  }

  private void place(Path part, long startNanos) throws CommandFailure {
    try {
      long sizeBytes = Files.size(part);
      Files.move(part, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      done("written", sizeBytes, startNanos);
    } catch (IOException e) {
      throw unwritten(e);
    }
  }

  private CommandFailure unwritten(IOException e) {
    return new CommandFailure(this + ": " + reason(e), "make room or give another file", e);
  }

  /** A machine on its way out of the file. */
  public final class Reading implements AutoCloseable {
    private final InputStream in;
    private final SavedMachine saved;

    private Reading(InputStream in) throws IOException, SnapshotException {
      this.in = in;
      this.saved = SavedMachine.open(in);
    }

    /** Everything but the memory. */
    SavedMachine saved() {
      return saved;
    }

    /** Puts it into a machine made for it. */
    void restoreInto(Machine machine) throws CommandFailure, SysException {
      long start = System.nanoTime();
      try {
        machine.restore(saved, progress("reading"));
        if (in.read() >= 0) {
          throw new SnapshotException("goes on after its end");
        }
        done("read", Files.size(path), start);
      } catch (SnapshotException e) {
        throw refused(e);
      } catch (IOException e) {
        throw unreadable(e);
      }
    }

    @Override
    public void close() throws CommandFailure {
      try {
        in.close();
      } catch (IOException e) {
        throw unreadable(e);
      }
    }
  }

  /** Opens it and reads everything before the memory. */
  public Reading read() throws CommandFailure {
    try {
      InputStream in = new BufferedInputStream(Files.newInputStream(path), BUFFER_BYTES);
      try {
        return new Reading(in);
      } catch (IOException | SnapshotException e) {
        in.close();
        throw e;
      }
    } catch (SnapshotException e) {
      throw refused(e);
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  private CommandFailure refused(SnapshotException e) {
    return new CommandFailure(
        this + " " + e.problem(),
        e.remedy().orElse("give one that lockstep run --snapshot wrote"),
        e);
  }

  private CommandFailure unreadable(IOException e) {
    return new CommandFailure(this + ": " + reason(e), "check the path", e);
  }

  private static String reason(IOException e) {
    return switch (e) {
      case NoSuchFileException _ -> "no such file";
      case AccessDeniedException _ -> "permission denied";
      case FileSystemException f when f.getReason() != null -> f.getReason();
      default -> String.valueOf(e.getMessage());
    };
  }

  /** Says something only when it takes so long that somebody may wonder. */
  private Progress progress(String verb) {
    long[] next = {System.nanoTime() + REPORT_NANOS};
    return (done, total) -> {
      if (System.nanoTime() - next[0] > 0 && done < total) {
        next[0] += REPORT_NANOS;
        notes.accept("%s: %s, %d of %d MiB".formatted(this, verb, done >> 20, total >> 20));
      }
    };
  }

  private void done(String verb, long sizeBytes, long startNanos) {
    double seconds = (System.nanoTime() - startNanos) / 1e9;
    notes.accept("%s: %s, %d KiB in %.2f s".formatted(this, verb, sizeBytes >> 10, seconds));
  }

  @Override
  public String toString() {
    return "snapshot " + path;
  }
}
