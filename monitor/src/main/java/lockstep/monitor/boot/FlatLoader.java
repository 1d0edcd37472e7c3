package lockstep.monitor.boot;

/**
 * Flat 16-bit images, for small freestanding guests. The convention is a PC's boot sector, only
 * that the whole file is loaded and not just its first 512 bytes:
 *
 * <ul>
 *   <li>the file has the boot signature 55 AA at offset 510 and goes to 0x7c00 unchanged;
 *   <li>it may be as long as reaches the end of usable low memory at 0x9fc00 (608 KiB);
 *   <li>real mode, CS:IP = 0000:7C00, DS = ES = FS = GS = SS = 0, SP = 0x7C00, DL = 0x80, other
 *       registers 0, interrupts off;
 *   <li>there is no BIOS: the interrupt vector table at 0 is all zeros, and so is the rest of RAM;
 *   <li>A20 is on. No command line, initrd or modules.
 * </ul>
 */
final class FlatLoader {
  static final int LOAD_ADDRESS = 0x7c00;
  static final int MAX_BYTES = LowMemory.EBDA - LOAD_ADDRESS;
  private static final int BOOT_DRIVE = 0x80;
  private static final int SIGNATURE = 510;

  private FlatLoader() {}

  static boolean hasMagic(BootFile file) {
    byte[] b = file.bytes();
    return b.length >= SIGNATURE + 2 && b[SIGNATURE] == 0x55 && b[SIGNATURE + 1] == (byte) 0xaa;
  }

  /** Code and data alike: what is found is told of. */
  private static RewriteReport look(BootFile file, BootConfig config) {
    if (!config.rewrite().any()) {
      return RewriteReport.NONE;
    }
    MixedText text = new MixedText(file.bytes(), config.rewrite());
    text.look(0, file.size(), LOAD_ADDRESS, "flat image", true);
    return text.report();
  }

  static BootImage load(BootFile file, BootConfig config) throws BootException {
    if (!hasMagic(file)) {
      throw new BootException(
          file.name(), "has no boot signature 55 AA at offset 510", "assemble it as a boot sector");
    }
    if (file.size() > MAX_BYTES) {
      throw new BootException(
          file.name(),
          "is a flat image of %d bytes, and %d fit".formatted(file.size(), MAX_BYTES),
          "make it smaller or use Multiboot");
    }
    if (config.initrd().isPresent() || !config.modules().isEmpty()) {
      throw new BootException(
          file.name(), "is a flat image and takes no initrd or modules", "leave them out");
    }
    if (!config.commandLine().isEmpty()) {
      throw new BootException(
          file.name(), "is a flat image and takes no command line", "leave out --append");
    }
    SegmentPlan plan = new SegmentPlan(file.name(), config.ram());
    plan.add(LoadSegment.of("flat image", LOAD_ADDRESS, file.bytes()));
    return new BootImage(
        BootKind.FLAT,
        plan.segments(),
        new CpuEntry.RealMode(0, LOAD_ADDRESS, LOAD_ADDRESS, BOOT_DRIVE),
        look(file, config));
  }
}
