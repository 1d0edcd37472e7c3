package lockstep.cli.bench;

import java.util.OptionalInt;
import lockstep.cli.guest.BuiltInGuest;
import lockstep.cli.guest.GuestList;
import lockstep.cli.run.Start;
import lockstep.kvm.CpuModel;
import lockstep.monitor.MachineConfig;
import lockstep.monitor.boot.BootConfig;
import lockstep.monitor.boot.BootException;
import lockstep.monitor.boot.BootFile;
import lockstep.monitor.boot.BootImage;
import lockstep.monitor.boot.BootImages;
import lockstep.monitor.boot.RewriteOptions;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.vcpu.SpecialPorts;

/** Built-in guests as benchmarks start them. */
final class BenchGuest {
  private BenchGuest() {}

  /**
   * A guest at its entry.
   *
   * @param words a guest's name, and behind a blank what to add to its command line
   */
  static Start boot(QuirkSet quirks, String words) throws BootException {
    String name = words.split(" ", 2)[0];
    BuiltInGuest guest = find(name);
    BuiltInGuest.Files files = guest.source().files(line -> {});
    RewriteOptions rewrite =
        new RewriteOptions(
            OptionalInt.of(SpecialPorts.CLOCK_PORT),
            OptionalInt.of(SpecialPorts.CLOCK_AUX_PORT),
            quirks.rewriteCpuid() ? OptionalInt.of(SpecialPorts.CPUID_PORT) : OptionalInt.empty());
    BootConfig config =
        BootConfig.of(guest.memoryBytes(), guest.commandLine() + words.substring(name.length()))
            .withRewrite(rewrite);
    BootImage image =
        BootImages.load(
            files.kernel(),
            files.initrd().isPresent() ? config.withInitrd(files.initrd().get()) : config);
    return new Start.Boot(
        new MachineConfig(guest.memoryBytes(), CpuModel.Kind.DETERMINISTIC, 0), quirks, image);
  }

  /** The file that a guest boots from. */
  static BootFile kernel(String name) throws BootException {
    return find(name).source().files(line -> {}).kernel();
  }

  private static BuiltInGuest find(String name) throws BootException {
    return GuestList.find(name)
        .orElseThrow(() -> new BootException("guest " + name, "is not here", "install it"));
  }
}
