package lockstep.cli.doctor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import lockstep.cli.common.Finding;
import lockstep.cli.common.Finding.State;
import lockstep.storage.ffi.disk.RingEngine;

/** What the host offers beside KVM: files and devices, no guest needed. */
final class HostFindings {
  private static final List<String> MODULES = List.of("kvm_intel", "kvm_amd", "kvm_pvm");
  private static final List<Path> LIBRARY_PATHS =
      Stream.of("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")
          .map(Path::of)
          .toList();

  private HostFindings() {}

  static List<Finding> all() {
    return List.of(module(), paging(), hugePages(), tun(), ioUring(), iscsi());
  }

  private static Finding module() {
    Optional<String> module = loadedModule();
    return new Finding(
        "KVM module",
        module.isPresent() ? State.OK : State.LIMITED,
        module.orElse("unknown"),
        module.map(name -> name.equals("kvm_pvm")).orElse(false)
            ? "software KVM: kernel code of guests is emulated, user code runs natively"
            : "for your information; what it honours is probed, never inferred from its name");
  }

  private static Optional<String> loadedModule() {
    return MODULES.stream()
        .filter(name -> Files.isDirectory(Path.of("/sys/module", name)))
        .findFirst();
  }

  private static Finding paging() {
    String ept = read(Path.of("/sys/module/kvm_intel/parameters/ept"));
    String npt = read(Path.of("/sys/module/kvm_amd/parameters/npt"));
    boolean twoDimensional = ept.matches("[Y1]") || npt.matches("[Y1]");
    return new Finding(
        "paging",
        State.OK,
        twoDimensional ? "two-dimensional (EPT or NPT)" : "shadow page tables",
        twoDimensional
            ? "the CPU sets accessed and dirty bits; digests must leave them out"
            : "accessed and dirty bits are set by KVM in software");
  }

  private static Finding hugePages() {
    String setting = read(Path.of("/sys/kernel/mm/transparent_hugepage/enabled"));
    boolean on = setting.contains("[always]") || setting.contains("[madvise]");
    return Finding.of(
        "huge pages",
        on,
        new String[] {setting, setting.isEmpty() ? "not in this kernel" : setting},
        new String[] {
          "guest memory can use them", "guest memory is mapped by 4 KiB pages: more TLB misses"
        });
  }

  private static Finding tun() {
    Path device = Path.of("/dev/net/tun");
    boolean usable = Files.isReadable(device) && Files.isWritable(device);
    return Finding.of(
        "tun",
        usable,
        new String[] {device.toString(), Files.exists(device) ? "no permission" : "no " + device},
        new String[] {"tap networks are possible", "no tap networks"});
  }

  private static Finding ioUring() {
    Optional<String> refusal = RingEngine.refusal();
    return Finding.of(
        "io_uring",
        refusal.isEmpty(),
        new String[] {"granted", refusal.orElse("")},
        new String[] {
          "disks take requests by io_uring", "disks take requests by threads: more CPU a request"
        });
  }

  private static Finding iscsi() {
    Optional<Path> library =
        LIBRARY_PATHS.stream()
            .flatMap(HostFindings::list)
            .filter(file -> String.valueOf(file.getFileName()).startsWith("libiscsi.so."))
            .sorted()
            .findFirst();
    return Finding.of(
        "iSCSI library",
        library.isPresent(),
        new String[] {library.map(Path::toString).orElse(""), "no libiscsi.so"},
        new String[] {
          "shared disks over iSCSI are possible", "no iSCSI disks: apt-get install libiscsi7"
        });
  }

  private static Stream<Path> list(Path directory) {
    try (Stream<Path> files = Files.list(directory)) {
      return files.toList().stream();
    } catch (IOException e) {
      return Stream.empty();
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file).strip();
    } catch (IOException e) {
      return "";
    }
  }
}
