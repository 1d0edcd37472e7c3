package lockstep.cli.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.process.Programs;

/**
 * What a benchmark has on this host beside itself: a directory, programs, devices. All of it is
 * gone after {@link #close}, and when the process is told to end before that.
 */
final class BenchWork implements AutoCloseable {
  private static final long PROGRAM_SECONDS = 60;

  /** Undoes one thing; told once. */
  @FunctionalInterface
  interface Undo {
    /** Does so. */
    void run() throws IOException;
  }

  private final Path directory;
  private final ArrayDeque<Undo> undoes = new ArrayDeque<>();
  private final Thread hook = new Thread(this::undoAll, "bench-cleanup");
  private boolean over;

  private BenchWork(Path directory) {
    this.directory = directory;
  }

  /** Makes the directory. */
  static BenchWork open() throws IOException {
    BenchWork work = new BenchWork(Files.createTempDirectory("lockstep-bench"));
    work.undoes.push(work::removeDirectory);
    Runtime.getRuntime().addShutdownHook(work.hook);
    return work;
  }

  /** Where files go that are not to stay. */
  Path directory() {
    return directory;
  }

  /**
   * Starts a program that ends with this. It also ends when this process is killed, where setpriv
   * is installed: the kernel kills it with the thread that calls this.
   */
  synchronized Process start(ProcessBuilder program) throws IOException {
    if (over) {
      throw new IOException("told to end");
    }
    Programs.find("setpriv").ifPresent(setpriv -> withDeathSignal(program, setpriv));
    Process process = program.start();
    undoes.push(() -> process.destroyForcibly().onExit().join());
    return process;
  }

  private static void withDeathSignal(ProcessBuilder program, Path setpriv) {
    List<String> command = new ArrayList<>(List.of(setpriv.toString(), "--pdeathsig", "KILL"));
    command.addAll(program.command());
    program.command(command);
  }

  /** Has something undone at the end, before what is there already. */
  synchronized void atEnd(Undo undo) throws IOException {
    if (over) {
      undo.run();
      throw new IOException("told to end");
    }
    undoes.push(undo);
  }

  /**
   * Runs a program to its end.
   *
   * @return what it printed
   * @throws CommandFailure when it fails, with what it said
   */
  String run(List<String> command) throws IOException, InterruptedException, CommandFailure {
    Process process;
    synchronized (this) {
      if (over) {
        throw new IOException("told to end");
      }
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
    }
    process.getOutputStream().close();
    // Read elsewhere: a program that hangs must not hold this thread for ever.
    Path name = Path.of(command.getFirst()).getFileName();
    StringBuilder output = new StringBuilder();
    Thread reader =
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  try (InputStream in = process.getInputStream()) {
                    output.append(new String(in.readAllBytes(), UTF_8));
                  } catch (IOException e) {
                    // Its end tells what there is to tell.
                  }
                });
    boolean ended = process.waitFor(PROGRAM_SECONDS, TimeUnit.SECONDS);
    if (!ended) {
      // Not of one that has ended: that would throw away what it printed.
      process.destroyForcibly();
    }
    reader.join();
    if (!ended || process.exitValue() != 0) {
      String said = output.toString().strip();
      throw new CommandFailure(
          name + (ended ? " failed: " + said : " did not end in " + PROGRAM_SECONDS + " s"),
          "try " + String.join(" ", command));
    }
    return output.toString();
  }

  /**
   * Compiles a C program that is a resource beside this class.
   *
   * @param options behind the source, such as libraries
   * @throws CommandFailure when it does not compile, with what the compiler said
   */
  Path compile(String source, String... options)
      throws IOException, InterruptedException, CommandFailure {
    Path file = directory.resolve(source);
    try (InputStream in = BenchWork.class.getResourceAsStream(source)) {
      if (in == null) {
        throw new IllegalStateException(source + " is not in the jar");
      }
      Files.copy(in, file);
    }
    Path program = directory.resolve(source.replaceAll("\\.c$", ""));
    List<String> command =
        new ArrayList<>(List.of("cc", "-O2", "-o", program.toString(), file.toString()));
    command.addAll(List.of(options));
    run(command);
    return program;
  }

  private void removeDirectory() throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  private synchronized void undoAll() {
    over = true;
    for (Undo undo = undoes.poll(); undo != null; undo = undoes.poll()) {
      try {
        undo.run();
      } catch (IOException e) {
        System.err.println("lockstep bench: " + e.getMessage());
      }
    }
  }

  @Override
  public void close() {
    undoAll();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending, and the hook finds nothing to do.
    }
  }
}
