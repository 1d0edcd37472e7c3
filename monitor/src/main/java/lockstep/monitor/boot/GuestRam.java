package lockstep.monitor.boot;

/** The guest memory that a {@link BootImage} is copied into. Addresses are guest-physical. */
public interface GuestRam {
  /** The RAM in bytes, laid out as {@link RamLayout} says. */
  long sizeBytes();

  /** Copies {@code length} bytes of {@code source} from {@code offset} to {@code gpa}. */
  void write(long gpa, byte[] source, int offset, int length);

  /** Sets {@code length} bytes to zero. Fresh memory that was never written need not be touched. */
  void zero(long gpa, long length);
}
