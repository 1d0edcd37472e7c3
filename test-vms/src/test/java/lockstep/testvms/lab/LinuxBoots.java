package lockstep.testvms.lab;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Kvm;
import lockstep.monitor.Machine;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.MachineLayout;
import lockstep.monitor.MachineOrigin;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.boot.RewriteOptions;
import lockstep.monitor.host.KickTimer;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.input.HostInputs;
import lockstep.monitor.input.InputQueue;
import lockstep.monitor.input.LiveInputs;
import lockstep.monitor.output.OutputSink;
import lockstep.monitor.probe.QuirkProbe;
import lockstep.monitor.vcpu.RunResult;
import lockstep.monitor.vcpu.SpecialPorts;
import lockstep.monitor.vcpu.VcpuHandle;

/**
 * A program for the lab: boots a stock Linux kernel live again and again, and counts the boots
 * whose clock stops before the prompt. Kernel and initramfs are in {@code guest-kernel} on the
 * class path.
 */
final class LinuxBoots {
  static final String DIRECTORY = "guest-kernel";

  /** What every boot ends with; the last line has the counts. */
  static final Pattern SUMMARY =
      Pattern.compile("boots: ([0-9]+) to the prompt, ([0-9]+) too slow, ([0-9]+) stopped");

  private static final String PROMPT = "lockstep# ";
  private static final long MEMORY_BYTES = 256L << 20;
  private static final int SHOWN_CHARACTERS = 2_000;

  /** So many lines in a row with one stamp: at 250 Hz a sound boot has no such row. */
  private static final int SAME_STAMPS = 8;

  private static final Pattern STAMP = Pattern.compile("\\[ *([0-9]+\\.[0-9]{6})\\]");

  private LinuxBoots() {}

  /**
   * @param args how many boots, and the seconds that each may take
   */
  public static void main(String[] args) throws Exception {
    int boots = Integer.parseInt(args[0]);
    long limitSeconds = Long.parseLong(args[1]);
    Map<End, Integer> counts = new EnumMap<>(End.class);
    try (Kvm kvm = Kvm.open()) {
      BootImage image = image();
      for (int boot = 1; boot <= boots; boot++) {
        long start = System.nanoTime();
        String console = boot(kvm, image, limitSeconds);
        End end = end(console);
        counts.merge(end, 1, Integer::sum);
        System.out.printf(
            "boot %d: %s after %d s, guest clock %s%n",
            boot,
            end,
            TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start),
            stamps(console).isEmpty() ? "never shown" : stamps(console).getLast());
        if (end != End.PROMPT) {
          System.out.println(console.substring(Math.max(0, console.length() - SHOWN_CHARACTERS)));
        }
      }
    }
    System.out.printf(
        "boots: %d to the prompt, %d too slow, %d stopped%n",
        counts.getOrDefault(End.PROMPT, 0),
        counts.getOrDefault(End.SLOW, 0),
        counts.getOrDefault(End.STOPPED, 0));
    System.exit(counts.getOrDefault(End.PROMPT, 0) == boots ? 0 : 1);
  }

  /** How a boot came out. */
  private enum End {
    PROMPT,
    /** The kernel's clock was going when the time was over. */
    SLOW,
    STOPPED
  }

  /** A clock that stands gives every line the same stamp, and the kernel soon waits for ever. */
  private static End end(String console) {
    if (console.contains(PROMPT)) {
      return End.PROMPT;
    }
    List<String> stamps = stamps(console);
    List<String> last = stamps.subList(Math.max(0, stamps.size() - SAME_STAMPS), stamps.size());
    return last.size() == SAME_STAMPS && Set.copyOf(last).size() > 1 ? End.SLOW : End.STOPPED;
  }

  private static BootImage image() throws Exception {
    BootConfig config =
        BootConfig.of(MEMORY_BYTES, "console=ttyS0 reboot=k")
            .withInitrd(file("initrd.cpio"))
            .withRewrite(
                new RewriteOptions(
                    OptionalInt.of(SpecialPorts.CLOCK_PORT),
                    OptionalInt.of(SpecialPorts.CLOCK_AUX_PORT),
                    OptionalInt.empty()));
    return BootImages.load(file("vmlinuz"), config);
  }

  private static BootFile file(String name) throws Exception {
    try (InputStream in = LinuxBoots.class.getResourceAsStream("/" + DIRECTORY + "/" + name)) {
      if (in == null) {
        throw new IllegalStateException("no " + name + " on the class path");
      }
      return BootFile.of(name, in.readAllBytes());
    }
  }

  private static String boot(Kvm kvm, BootImage image, long limitSeconds) throws Exception {
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    InputQueue queue = new InputQueue();
    VcpuHandle[] handle = new VcpuHandle[1];
    Runnable kick =
        () -> {
          VcpuHandle present = handle[0];
          if (present != null) {
            present.kick();
          }
        };
    MachineConfig config = new MachineConfig(MEMORY_BYTES, CpuModel.Kind.DETERMINISTIC, 0);
    try (KickTimer timer = new KickTimer(kick);
        Machine machine =
            Machine.create(
                kvm,
                MachineOrigin.here(config, QuirkProbe.probe(kvm), kvm.supportedCpuid()),
                new LiveInputs(new HostInputs(queue, MachineLayout.TIMERS, 0, timer)),
                OutputSink.console(console::write))) {
      machine.boot(image);
      FutureTask<RunResult> task = new FutureTask<>(machine::run);
      Thread vcpu = Thread.ofPlatform().name("vcpu-0").unstarted(task);
      handle[0] = new VcpuHandle(machine.kick(), vcpu);
      queue.wakeWith(kick);
      vcpu.start();
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitSeconds);
      while (!task.isDone()
          && !console.toString(ISO_8859_1).contains(PROMPT)
          && System.nanoTime() < deadline) {
        Thread.sleep(100);
      }
      queue.offer(new ExternalInput.HostDecision(ExternalInput.Decision.STOP));
      RunResult how = task.get();
      return console.toString(ISO_8859_1)
          + (how instanceof RunResult.Stopped ? "" : "\nended: " + how);
    }
  }

  private static List<String> stamps(String console) {
    return STAMP.matcher(console).results().map(stamp -> stamp.group(1)).toList();
  }
}
