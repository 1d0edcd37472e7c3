package lockstep.monitor.boot;

/**
 * Where the guest's RAM is: from 0 up to 3 GiB, the rest from 4 GiB on. The GiB between is left to
 * devices, as on a PC.
 *
 * @param sizeBytes the whole RAM
 */
public record RamLayout(long sizeBytes) {
  /** Where low RAM ends at the latest and the device window begins. */
  public static final long MMIO_START = 3L << 30;

  /** Where the RAM that did not fit below the device window goes on. */
  public static final long HIGH_START = 4L << 30;

  /** The smallest machine: one MiB of PC memory map and something to run in. */
  public static final long MIN_BYTES = 2L << 20;

  /** The largest machine, far above what one host page table set is tested with. */
  public static final long MAX_BYTES = 1L << 40;

  /**
   * Checks the size.
   *
   * @throws IllegalArgumentException when it is not a whole number of pages within the bounds
   */
  public RamLayout {
    if (!possible(sizeBytes)) {
      throw new IllegalArgumentException(
          "RAM of " + sizeBytes + " bytes: not whole pages from 2 MiB to 1 TiB");
    }
  }

  /**
   * The layout for a size that a user gave.
   *
   * @throws BootException when it is not a whole number of pages within the bounds
   */
  public static RamLayout ofUserSize(long sizeBytes) throws BootException {
    if (!possible(sizeBytes)) {
      throw new BootException(
          "memory",
          "%d bytes is not a size a guest can have".formatted(sizeBytes),
          "give whole pages of 4 KiB, from 2 MiB to 1 TiB");
    }
    return new RamLayout(sizeBytes);
  }

  private static boolean possible(long sizeBytes) {
    return sizeBytes >= MIN_BYTES && sizeBytes <= MAX_BYTES && (sizeBytes & 0xfff) == 0;
  }

  /** The RAM from address 0. */
  public long lowBytes() {
    return Math.min(sizeBytes, MMIO_START);
  }

  /** The RAM from 4 GiB, or 0. */
  public long highBytes() {
    return sizeBytes - lowBytes();
  }

  /** Whether the range is RAM throughout and does not cross the device window. */
  public boolean contains(long gpa, long length) {
    if (gpa < 0 || length < 0) {
      return false;
    }
    return (gpa <= lowBytes() - length)
        || (gpa >= HIGH_START && gpa - HIGH_START <= highBytes() - length);
  }
}
