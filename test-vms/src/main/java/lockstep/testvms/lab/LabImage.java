package lockstep.testvms.lab;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The part of the lab's initramfs that stays the same from job to job: busybox, modules of the
 * kernel with the order that they have to be loaded in, a Java runtime cut down by jlink, and the C
 * libraries that it and Lockstep need.
 */
final class LabImage {
  /**
   * The modules of the JDK that Lockstep, Log4j, JUnit and their tests use. A class path that needs
   * another one fails in the lab with a NoClassDefFoundError that names it. Of java.desktop Log4j
   * wants the beans, see {@link #UNUSED_FILES}.
   */
  private static final String JAVA_MODULES =
      "java.base,java.desktop,java.logging,java.management,java.naming,java.xml,jdk.management,jdk.net,"
          + "jdk.unsupported,jdk.zipfs";

  private static final List<String> JLINK_OPTIONS =
      List.of("--strip-debug", "--no-header-files", "--no-man-pages", "--generate-cds-archive");

  /**
   * Left out of the runtime: the native half of java.desktop, which would bring the X libraries
   * along, and the archive for heaps that need 64-bit references.
   */
  private static final Pattern UNUSED_FILES =
      Pattern.compile(
          "lib(awt.*|fontmanager|freetype|javajpeg|jawt|jsound|lcms|mlib_image|splashscreen)[.]so"
              + "|classes_nocoops[.]jsa");

  /**
   * What a host may load by modprobe(8), by the names of lsmod(8); what these need comes along. KVM
   * for all, the network for hosts that have one, SCSI disks and a unit to make them of, a server
   * of NFS and its clients.
   */
  private static final List<String> KERNEL_MODULES =
      List.of(
          "kvm_amd",
          "virtio_pci",
          "virtio_net",
          "sd_mod",
          "target_core_file",
          "tcm_loop",
          "nfsd",
          "nfsv4");

  /** What Lockstep loads for iSCSI disks; carried where this machine has it. */
  private static final String LIBISCSI = "libiscsi.so.7";

  private static final List<String> LIBRARY_DIRECTORIES =
      List.of("/lib/x86_64-linux-gnu", "/lib64", "/usr/lib", "/usr/local/lib");

  private static final Path BUSYBOX = Path.of("/bin/busybox");
  private static final Pattern LIBRARY = Pattern.compile("(?:=> )?(/[^ \\n]+) \\(0x");

  private final LabCache cache;
  private final LabKernel kernel;
  private final Path javaHome;

  LabImage(LabCache cache, LabKernel kernel, Path javaHome) {
    this.cache = cache;
    this.kernel = kernel;
    this.javaHome = javaHome;
  }

  /** The cpio archive, made now unless the cache has it. */
  Path archive() throws IOException, LabException, InterruptedException {
    if (!Files.isExecutable(BUSYBOX)) {
      throw new LabException(BUSYBOX + " is missing: install busybox-static");
    }
    LabCache.Key key =
        new LabCache.Key()
            .add(JAVA_MODULES + JLINK_OPTIONS + UNUSED_FILES)
            .addFile(javaHome.resolve("release"))
            .addFile(BUSYBOX);
    for (Path module : kernel.modules().closure(KERNEL_MODULES)) {
      key.addFile(module);
    }
    Optional<Path> libiscsi = libiscsi();
    if (libiscsi.isPresent()) {
      key.addFile(libiscsi.get());
    }
    return cache.get("lab-image-" + key.name() + ".cpio", this::make);
  }

  private void make(Path path) throws IOException, LabException, InterruptedException {
    Path work = Files.createTempDirectory("lockstep-jlink-");
    try {
      Path runtime = work.resolve("java");
      link(runtime);
      write(path, runtime);
    } finally {
      LabCache.delete(work);
    }
  }

  private void write(Path path, Path runtime)
      throws IOException, LabException, InterruptedException {
    Set<Path> libraries = libraries(runtime);
    try (CpioArchive cpio =
        new CpioArchive(new BufferedOutputStream(Files.newOutputStream(path), 1 << 16))) {
      for (String directory : List.of("dev", "proc", "sys", "tmp", "root")) {
        cpio.directory(directory);
      }
      cpio.file("bin/busybox", BUSYBOX);
      cpio.symlink("bin/sh", "busybox");
      KernelModules modules = kernel.modules();
      for (Path module : modules.closure(KERNEL_MODULES)) {
        cpio.file(modules.home() + "/" + modules.nameBelow(module), module);
      }
      byte[] dependencies = modules.dependencies(KERNEL_MODULES).getBytes(StandardCharsets.UTF_8);
      cpio.file(modules.home() + "/modules.dep", 0644, dependencies);
      cpio.tree("java", runtime);
      for (Path library : libraries) {
        cpio.file(library.toString().substring(1), library);
      }
    }
  }

  private static Optional<Path> libiscsi() {
    return LIBRARY_DIRECTORIES.stream()
        .map(directory -> Path.of(directory, LIBISCSI))
        .filter(Files::exists)
        .findFirst();
  }

  private void link(Path path) throws IOException, LabException, InterruptedException {
    Path jlink = javaHome.resolve("bin/jlink");
    if (!Files.isExecutable(jlink)) {
      throw new LabException(jlink + " is missing: run with a JDK 25, not a JRE");
    }
    List<String> command = new ArrayList<>(List.of(jlink.toString()));
    command.addAll(JLINK_OPTIONS);
    command.addAll(List.of("--add-modules", JAVA_MODULES, "--output", path.toString()));
    Tool.run(command);
    try (Stream<Path> walk = Files.walk(path.resolve("lib"))) {
      for (Path file : walk.toList()) {
        if (UNUSED_FILES.matcher(file.getFileName().toString()).matches()) {
          Files.delete(file);
        }
      }
    }
  }

  /** libiscsi, and the shared libraries that it and the runtime ask for, by {@code ldd}. */
  private static Set<Path> libraries(Path runtime)
      throws IOException, LabException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("ldd", runtime.resolve("bin/java").toString()));
    try (Stream<Path> walk = Files.walk(runtime.resolve("lib"))) {
      walk.map(Path::toString).filter(name -> name.endsWith(".so")).forEach(command::add);
    }
    Set<Path> libraries = new TreeSet<>();
    libiscsi().ifPresent(libraries::add);
    libraries.forEach(library -> command.add(library.toString()));
    Matcher matcher = LIBRARY.matcher(Tool.run(command));
    while (matcher.find()) {
      Path library = Path.of(matcher.group(1));
      if (!library.startsWith(runtime)) {
        libraries.add(library);
      }
    }
    return libraries;
  }
}
