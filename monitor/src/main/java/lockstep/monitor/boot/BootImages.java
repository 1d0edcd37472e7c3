package lockstep.monitor.boot;

/** The way in: what kind of file it is, and the machine's first state made from it. */
public final class BootImages {
  private BootImages() {}

  /**
   * The kind of a kernel file, by its content. Multiboot goes first, since such a file is an ELF
   * file too; a bzImage goes before a flat image, since it carries a boot signature too.
   *
   * @throws BootException when it is none of them
   */
  public static BootKind detect(BootFile file) throws BootException {
    if (MultibootLoader.findHeader(file).isPresent()) {
      return BootKind.MULTIBOOT;
    }
    if (ElfFile.hasMagic(file.bytes())) {
      ElfFile elf = ElfFile.parse(file.name(), file.bytes());
      if (!elf.is64()) {
        throw new BootException(
            file.name(),
            "is a 32-bit ELF file without a Multiboot header",
            "use an x86-64 Linux kernel or a Multiboot kernel");
      }
      return BootKind.LINUX_ELF;
    }
    if (BzImage.hasMagic(file)) {
      return BootKind.LINUX_BZIMAGE;
    }
    if (FlatLoader.hasMagic(file)) {
      return BootKind.FLAT;
    }
    throw new BootException(
        file.name(),
        file.size() == 0 ? "is empty" : "is not a kernel",
        "name a bzImage, an x86-64 vmlinux, a Multiboot kernel or a flat image with 55 AA at 510");
  }

  /**
   * Loads a kernel of any kind.
   *
   * @throws BootException when the file, the initrd, the modules, the command line and the memory
   *     do not make a machine that can start; its message is one line for the user
   */
  public static BootImage load(BootFile file, BootConfig config) throws BootException {
    return switch (detect(file)) {
      case LINUX_BZIMAGE -> LinuxLoader.loadBzImage(file, config);
      case LINUX_ELF -> LinuxLoader.loadElf(file, config);
      case MULTIBOOT -> MultibootLoader.load(file, config);
      case FLAT -> FlatLoader.load(file, config);
    };
  }
}
