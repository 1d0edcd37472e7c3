package lockstep.monitor.state;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.function.Consumer;
import java.util.zip.Checksum;

/** An immutable sequence of bytes with value equality, so that state records compare by content. */
public final class Bytes {
  private static final Bytes EMPTY = new Bytes(new byte[0]);
  private static final int SHOWN_BYTES = 32;

  private final byte[] content;

  private Bytes(byte[] content) {
    this.content = content;
  }

  /** The empty sequence. */
  public static Bytes empty() {
    return EMPTY;
  }

  /** Copies the whole array. */
  public static Bytes copyOf(byte[] source) {
    return copyOf(source, 0, source.length);
  }

  /** Copies {@code length} bytes from {@code offset}. */
  public static Bytes copyOf(byte[] source, int offset, int length) {
    return length == 0 ? EMPTY : new Bytes(Arrays.copyOfRange(source, offset, offset + length));
  }

  /** Copies what is left in the buffer, and leaves its position. */
  public static Bytes copyOf(ByteBuffer source) {
    int length = source.remaining();
    if (length == 0) {
      return EMPTY;
    }
    byte[] copy = new byte[length];
    source.get(source.position(), copy);
    return new Bytes(copy);
  }

  /**
   * Made in place, without a copy.
   *
   * @param filler sets the content; must not keep the array
   */
  public static Bytes filledBy(int size, Consumer<byte[]> filler) {
    byte[] content = new byte[size];
    filler.accept(content);
    return size == 0 ? EMPTY : new Bytes(content);
  }

  /**
   * Copies all of it to the buffer's position, and moves that.
   *
   * @throws java.nio.BufferOverflowException when it does not fit
   */
  public void putInto(ByteBuffer target) {
    target.put(content);
  }

  /** The number of bytes. */
  public int size() {
    return content.length;
  }

  /** The byte at {@code index} as 0..255. */
  public int at(int index) {
    return content[index] & 0xff;
  }

  /** A view that nothing can be written through. */
  public ByteBuffer asBuffer() {
    return ByteBuffer.wrap(content).asReadOnlyBuffer();
  }

  /** Copies {@code length} bytes from {@code from} into an array. */
  public void copyTo(int from, byte[] target, int offset, int length) {
    System.arraycopy(content, from, target, offset, length);
  }

  /** Adds {@code length} bytes from {@code from} to a checksum. */
  public void addTo(Checksum sum, int from, int length) {
    sum.update(content, from, length);
  }

  /** A fresh copy of the content. */
  public byte[] toArray() {
    return content.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Bytes that && Arrays.equals(content, that.content);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(content);
  }

  /** Hex of the first bytes, with the size where that is not all. */
  @Override
  public String toString() {
    HexFormat hex = HexFormat.of();
    return content.length <= SHOWN_BYTES
        ? hex.formatHex(content)
        : hex.formatHex(content, 0, SHOWN_BYTES) + "... (" + content.length + " bytes)";
  }
}
