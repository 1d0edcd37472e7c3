package lockstep.testvms.lab;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Boots the lab's host for one job at a time and brings back what it did.
 *
 * <p>QEMU is bounded three times: by this class, which kills it when the job's time is over; by a
 * hook that kills it when this JVM ends; and by the host's own init, should this JVM be killed
 * without mercy.
 */
public final class HostLab {
  private static final String QEMU = "qemu-system-x86_64";

  /**
   * No reboot, no boot messages, no waiting for entropy; mitigations cost and guard nothing here.
   * That the timer works is taken for granted: a kernel that tests it on a busy machine misses
   * ticks and panics (seen).
   *
   * <p>The timer is periodic (nohz, highres): QEMU's emulation of SVM changes the set of pending
   * interrupts at each entry and exit of a guest without its lock (target/i386, svm_helper.c,
   * {@code interrupt_request}), and an interrupt that another thread raises at that moment can be
   * lost. A one-shot timer whose interrupt is lost is never set again, and a host that has nothing
   * else to do sleeps for ever; the next period of a periodic one raises the interrupt anew.
   */
  private static final String KERNEL_COMMAND_LINE =
      "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on"
          + " no_timer_check nohz=off highres=off";

  /** Longest part of the boot messages worth showing when the host did not come up. */
  private static final int TAIL_CHARACTERS = 2000;

  private final LabKernel kernel;
  private final Path image;

  private HostLab(LabKernel kernel, Path image) {
    this.kernel = kernel;
    this.image = image;
  }

  /** Whether this machine has QEMU, without which there is no lab. */
  public static boolean hasQemu() {
    return Stream.of(System.getenv().getOrDefault("PATH", "").split(":"))
        .anyMatch(entry -> Files.isExecutable(Path.of(entry, QEMU)));
  }

  /**
   * Why there can be no lab on this machine: no QEMU, or no kernel and no way to bring one. Empty
   * when there can be one; whatever then is wrong with it is an error and no reason to leave it
   * out.
   *
   * @param testVms the source directory of the test-vms module, where the kernel's recipe is
   */
  public static Optional<String> complaint(Path testVms) throws IOException, InterruptedException {
    if (!hasQemu()) {
      return Optional.of("no lab: " + QEMU + " is missing, install qemu-system-x86");
    }
    try {
      LabKernel.find(testVms);
      return Optional.empty();
    } catch (LabException e) {
      return Optional.of("no lab: " + String.valueOf(e.getMessage()).strip());
    }
  }

  /**
   * Gets kernel and runtime, from the cache if it has them.
   *
   * @param testVms the source directory of the test-vms module, where the kernel's recipe is
   * @throws LabException when something is missing on this machine; the message says what
   */
  public static HostLab prepare(Path testVms)
      throws IOException, LabException, InterruptedException {
    LabKernel kernel = LabKernel.find(testVms);
    Path javaHome = Path.of(System.getProperty("java.home"));
    return new HostLab(kernel, new LabImage(LabCache.ofUser(), kernel, javaHome).archive());
  }

  /**
   * A host with a network, still to be started.
   *
   * @param job what to run; its input is not typed
   */
  public LabHost host(LabJob job, LabNetwork network) throws IOException {
    Path work = Files.createTempDirectory("lockstep-lab-");
    try {
      Path initrd = work.resolve("initrd");
      writeInitrd(initrd, job, Optional.of(network));
      // Ends with the thread that starts it, even where this JVM is killed.
      List<String> command = new ArrayList<>(List.of("setpriv", "--pdeathsig", "KILL"));
      command.addAll(machine(job, initrd));
      command.addAll(List.of("-serial", "file:/dev/stderr"));
      command.addAll(List.of("-serial", "file:" + LabHost.result(work), "-serial", "stdio"));
      command.addAll(List.of("-monitor", "unix:" + LabHost.monitor(work) + ",server=on,wait=off"));
      command.addAll(network.options());
      return new LabHost(command, work);
    } catch (IOException e) {
      LabCache.delete(work);
      throw e;
    }
  }

  /**
   * Runs one job.
   *
   * @param job what to run
   * @param output gets the command's console output as it comes
   * @throws LabException when the host does not come up or the job does not end in time
   */
  public LabResult run(LabJob job, OutputStream output)
      throws IOException, LabException, InterruptedException {
    Path work = Files.createTempDirectory("lockstep-lab-");
    try {
      Path initrd = work.resolve("initrd");
      writeInitrd(initrd, job, Optional.empty());
      return run(job, work, initrd, output);
    } finally {
      LabCache.delete(work);
    }
  }

  private LabResult run(LabJob job, Path work, Path initrd, OutputStream output)
      throws IOException, LabException, InterruptedException {
    Path result = LabHost.result(work);
    long startNanos = System.nanoTime();
    Process qemu = start(command(job, initrd, result));
    Thread hook = new Thread(qemu::destroyForcibly, "lab-cleanup");
    Runtime.getRuntime().addShutdownHook(hook);
    LabConsole console = new LabConsole(qemu, job.input(), output);
    boolean ended;
    try {
      console.start();
      ended = qemu.waitFor(job.timeout().toMillis(), TimeUnit.MILLISECONDS);
    } finally {
      qemu.destroyForcibly().waitFor();
      removeHook(hook);
      console.join();
    }
    long endNanos = System.nanoTime();
    if (!ended) {
      throw new LabException(
          "%s did not end within %d s in the lab: %s"
              .formatted(job.command(), job.timeout().toSeconds(), tail(console.all())));
    }
    OptionalInt exitCode = LabHost.exitCode(result);
    if (exitCode.isEmpty()) {
      throw new LabException("the lab's host stopped without a result: " + tail(console.all()));
    }
    Duration booting = Duration.ofNanos(console.startedNanos() - startNanos);
    Duration running = Duration.ofNanos(endNanos - console.startedNanos());
    return new LabResult(exitCode.getAsInt(), console.ofJob(), booting, running);
  }

  private static Process start(List<String> command) throws LabException {
    try {
      return new ProcessBuilder(command).redirectErrorStream(true).start();
    } catch (IOException e) {
      throw new LabException(QEMU + " cannot be run: install qemu-system-x86", e);
    }
  }

  /** The hook must not pile up with each job; during shutdown it has done its work. */
  private static void removeHook(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The JVM is going down and the hook has been started.
    }
  }

  private List<String> command(LabJob job, Path initrd, Path result) {
    List<String> command = new ArrayList<>(machine(job, initrd));
    command.addAll(List.of("-serial", "stdio", "-serial", "file:" + result));
    return command;
  }

  /** All but the serial lines. */
  private List<String> machine(LabJob job, Path initrd) {
    List<String> command = new ArrayList<>(List.of(QEMU, "-accel", "tcg"));
    command.addAll(List.of("-cpu", "max,+svm,+npt", "-smp", Integer.toString(job.cpus())));
    command.addAll(List.of("-m", Integer.toString(job.memoryMib()), "-no-reboot"));
    command.addAll(List.of("-nodefaults", "-display", "none"));
    command.addAll(List.of("-kernel", kernel.image().toString()));
    command.addAll(List.of("-initrd", initrd.toString(), "-append", KERNEL_COMMAND_LINE));
    return command;
  }

  /** The part that stays the same, then the scripts, the class path and the job. */
  private void writeInitrd(Path initrd, LabJob job, Optional<LabNetwork> network)
      throws IOException {
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(initrd), 1 << 16)) {
      Files.copy(image, out);
      try (CpioArchive cpio = new CpioArchive(out)) {
        cpio.file("init", 0755, resource("init"));
        cpio.file("bin/lockstep", 0755, resource("lockstep"));
        List<String> classPath = new ArrayList<>();
        for (Path entry : job.classPath()) {
          String name = "lab/classes/" + classPath.size() + "-" + entry.getFileName();
          if (Files.isDirectory(entry)) {
            cpio.tree(name, entry);
            classPath.add("/" + name);
          } else if (Files.exists(entry)) {
            cpio.file(name, entry);
            classPath.add("/" + name);
          }
        }
        String script = script(job, String.join(":", classPath), network.isPresent());
        cpio.file("lab/job", 0755, script.getBytes(StandardCharsets.UTF_8));
        if (network.isPresent()) {
          byte[] setUp = network.get().script().getBytes(StandardCharsets.UTF_8);
          cpio.file("lab/network", 0644, setUp);
        }
      }
    }
  }

  private static byte[] resource(String name) throws IOException {
    try (InputStream in = HostLab.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException(name + " is not beside " + HostLab.class);
      }
      return in.readAllBytes();
    }
  }

  /**
   * @param apart whether input and output go by a serial line of their own, the third one
   */
  private static String script(LabJob job, String classPath, boolean apart) {
    return """
    #!/bin/sh
    export CLASSPATH=%s
    %s
    exec timeout -s KILL %d %s
    """
        .formatted(
            quote(classPath),
            apart ? "exec < /dev/ttyS2 > /dev/ttyS2; stty raw -echo" : "",
            job.timeout().toSeconds() + 1,
            job.command().stream().map(HostLab::quote).collect(Collectors.joining(" ")));
  }

  private static String quote(String word) {
    return "'" + word.replace("'", "'\\''") + "'";
  }

  private static String tail(String text) {
    return text.substring(Math.max(0, text.length() - TAIL_CHARACTERS)).strip();
  }
}
