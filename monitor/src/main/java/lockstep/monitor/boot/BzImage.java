package lockstep.monitor.boot;

/**
 * The setup header of a bzImage and where its compressed kernel is (Documentation/x86/boot.rst,
 * "The Real-Mode Kernel Header" and "Details of Header Fields").
 *
 * @param file the file
 * @param headerEnd the end of the setup header, for copying it into boot_params
 * @param payloadOffset where the compressed kernel begins, from the start of the file
 * @param payloadBytes its length, with the four bytes of its unpacked size
 * @param initrdMax the highest address an initrd may contain
 * @param commandLineMax the longest command line, without its final zero
 */
record BzImage(
    BootFile file,
    int headerEnd,
    int payloadOffset,
    int payloadBytes,
    long initrdMax,
    int commandLineMax) {
  static final int HEADER = 0x1f1;

  /** Past this offset boot_params holds other things, whatever length the header claims. */
  static final int HEADER_LIMIT = 0x290;

  private static final int BOOT_FLAG = 0xaa55;
  private static final long MAGIC = 0x53726448;
  private static final int FIRST_WITH_PAYLOAD = 0x208;
  private static final int FIRST_WITH_XLOADFLAGS = 0x20c;
  private static final int XLF_KERNEL_64 = 1;
  private static final int LOADED_HIGH = 1;

  static boolean hasMagic(BootFile file) {
    byte[] b = file.bytes();
    return b.length >= 0x206
        && b[0x202] == 'H'
        && b[0x203] == 'd'
        && b[0x204] == 'r'
        && b[0x205] == 'S';
  }

  static BzImage parse(BootFile file) throws BootException {
    ByteReader in = new ByteReader(file.name(), file.bytes());
    String what = "the setup header";
    if (in.u32(0x202, what) != MAGIC || in.u16(0x1fe, what) != BOOT_FLAG) {
      throw new BootException(file.name(), "has no Linux setup header", "name a bzImage");
    }
    int version = in.u16(0x206, what);
    if (version < FIRST_WITH_PAYLOAD) {
      throw new BootException(
          file.name(),
          "boot protocol %d.%02d is too old (2.08 is the first that says where the kernel is)"
              .formatted(version >> 8, version & 0xff),
          "use a kernel of 2.6.26 or later");
    }
    if ((in.u8(0x211, what) & LOADED_HIGH) == 0) {
      throw new BootException(file.name(), "is a zImage", "build a bzImage");
    }
    if (version >= FIRST_WITH_XLOADFLAGS && (in.u16(0x236, what) & XLF_KERNEL_64) == 0) {
      throw only32Bit(file.name());
    }
    int headerEnd = Math.min(0x202 + in.u8(0x201, what), HEADER_LIMIT);
    in.range(HEADER, headerEnd - HEADER, what);
    int setupSectors = in.u8(HEADER, what);
    long protectedMode = ((setupSectors == 0 ? 4 : setupSectors) + 1) * 512L;
    long payload = protectedMode + in.u32(0x248, what);
    long payloadBytes = in.u32(0x24c, what);
    return new BzImage(
        file,
        headerEnd,
        in.range(payload, payloadBytes, "the compressed kernel"),
        (int) payloadBytes,
        in.u32(0x22c, what),
        (int) Math.min(in.u32(0x238, what), LinuxLoader.COMMAND_LINE_SPACE - 1));
  }

  static BootException only32Bit(String file) {
    return new BootException(
        file, "is a 32-bit Linux kernel", "use an x86-64 kernel (CONFIG_64BIT=y)");
  }
}
