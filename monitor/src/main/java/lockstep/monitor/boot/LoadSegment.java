package lockstep.monitor.boot;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** Bytes to be placed in guest memory, followed by zeros up to the size in memory. */
public final class LoadSegment {
  private final String label;
  private final long gpa;
  private final byte[] source;
  private final int offset;
  private final int length;
  private final long memoryBytes;

  LoadSegment(String label, long gpa, byte[] source, int offset, int length, long memoryBytes) {
    if (memoryBytes < length || offset < 0 || length < 0 || offset > source.length - length) {
      throw new IllegalArgumentException(
          "%s: %d bytes from %d of %d, %d in memory"
              .formatted(label, length, offset, source.length, memoryBytes));
    }
    this.label = label;
    this.gpa = gpa;
    this.source = source;
    this.offset = offset;
    this.length = length;
    this.memoryBytes = memoryBytes;
  }

  static LoadSegment of(String label, long gpa, byte[] content) {
    return new LoadSegment(label, gpa, content, 0, content.length, content.length);
  }

  /** The whole buffer, whatever its position. */
  static LoadSegment of(String label, long gpa, ByteBuffer content) {
    byte[] bytes = new byte[content.capacity()];
    content.get(0, bytes);
    return of(label, gpa, bytes);
  }

  /** What it is, for messages. */
  public String label() {
    return label;
  }

  /** The guest-physical address of the first byte. */
  public long gpa() {
    return gpa;
  }

  /** The bytes that come from the file. */
  public int fileBytes() {
    return length;
  }

  /** The bytes it takes in memory: those of the file, then zeros. */
  public long memoryBytes() {
    return memoryBytes;
  }

  /** The address after its last byte. */
  public long end() {
    return gpa + memoryBytes;
  }

  /** A copy of the bytes that come from the file. */
  public byte[] content() {
    return Arrays.copyOfRange(source, offset, offset + length);
  }

  boolean overlaps(LoadSegment other) {
    return gpa < other.end() && other.gpa < end();
  }

  void writeTo(GuestRam ram) {
    ram.write(gpa, source, offset, length);
    if (memoryBytes > length) {
      ram.zero(gpa + length, memoryBytes - length);
    }
  }

  @Override
  public String toString() {
    return "%s at 0x%x, %d bytes, %d in memory".formatted(label, gpa, length, memoryBytes);
  }
}
