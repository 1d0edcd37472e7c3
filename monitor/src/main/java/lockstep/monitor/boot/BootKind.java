package lockstep.monitor.boot;

/** The kinds of file that can be booted. */
public enum BootKind {
  /** A Linux bzImage. */
  LINUX_BZIMAGE,
  /** An ELF vmlinux for x86-64. */
  LINUX_ELF,
  /** A kernel with a Multiboot 1 header in its first 8 KiB. */
  MULTIBOOT,
  /** A 16-bit image with the boot signature 55 AA at offset 510. */
  FLAT;

  /** Whether it is a Linux kernel. */
  public boolean isLinux() {
    return this == LINUX_BZIMAGE || this == LINUX_ELF;
  }
}
