package lockstep.monitor.boot;

import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import org.apache.commons.compress.compressors.bzip2.BZip2CompressorInputStream;
import org.apache.commons.compress.compressors.lz4.BlockLZ4CompressorInputStream;
import org.tukaani.xz.LZMAInputStream;
import org.tukaani.xz.SingleXZInputStream;

/**
 * Unpacks a bzImage's compressed kernel. The format is known by its first bytes, as
 * Documentation/x86/boot.rst (payload_offset) lists them. Whatever the format, the last four bytes
 * of the payload are the unpacked size (scripts/Makefile.lib, size_append; gzip has them in its
 * trailer), so the room is known, and bounded, before unpacking.
 */
final class Payload {
  /** No kernel image comes near; a size above is damage or a decompression bomb. */
  static final int MAX_UNPACKED_BYTES = 512 << 20;

  /** What the xz and lzma decoders may take: a dictionary of 64 MiB, twice what kernels use. */
  private static final int XZ_MEMORY_KIB = 68 << 10;

  /** lib/decompress_unlz4.c and lz4 -l: blocks of at most 8 MiB unpacked, each after its size. */
  private static final int LZ4_BLOCK_BYTES = 8 << 20;

  /** Room is made as bytes arrive, so that a claimed size alone costs nothing. */
  private static final int FIRST_ROOM_BYTES = 4 << 20;

  private final String file;
  private final byte[] packed;
  private final int offset;
  private final int bytes;

  private Payload(BzImage image) {
    this.file = image.file().name();
    this.packed = image.file().bytes();
    this.offset = image.payloadOffset();
    this.bytes = image.payloadBytes();
  }

  /**
   * The unpacked kernel.
   *
   * @param limitBytes the guest's RAM: a kernel above it cannot run anyway
   */
  static byte[] unpack(BzImage image, long limitBytes) throws BootException {
    return new Payload(image).unpack(limitBytes);
  }

  private byte[] unpack(long limitBytes) throws BootException {
    if (bytes < 16) {
      throw new BootException(
          file, "its compressed kernel has " + bytes + " bytes", "copy or build it again");
    }
    ByteReader in = new ByteReader(file, packed);
    long size = in.u32((long) offset + bytes - 4, "the unpacked size");
    long limit = Math.min(limitBytes, MAX_UNPACKED_BYTES);
    if (size > limit) {
      throw new BootException(
          file,
          "its kernel unpacks to %d MiB and %d MiB is the limit".formatted(size >> 20, limit >> 20),
          limit == limitBytes ? "give the guest more memory" : "use a smaller kernel");
    }
    int length = (int) size;
    String format = format();
    try {
      return switch (format) {
        case "gzip" -> drain(new GZIPInputStream(source(0)), length);
        case "xz" -> drain(new SingleXZInputStream(source(4), XZ_MEMORY_KIB), length);
        case "lzma" -> drain(new LZMAInputStream(source(4), XZ_MEMORY_KIB), length);
        case "bzip2" -> drain(new BZip2CompressorInputStream(source(4)), length);
        case "lz4" -> lz4(length);
        case "zstd" -> drain(new ZstdInputStreamNoFinalizer(source(4)), length);
        default ->
            throw new BootException(
                file,
                "its kernel is packed with " + format + ", which is not supported",
                "build it with gzip, xz, zstd, lz4, lzma or bzip2");
      };
    } catch (IOException | RuntimeException e) {
      // Decoders of hostile input fail in more ways than they declare; all mean damaged data.
      throw new BootException(
          file, "its " + format + " kernel cannot be unpacked", "copy or build it again", e);
    }
  }

  private String format() {
    int first = (packed[offset] & 0xff) << 8 | (packed[offset + 1] & 0xff);
    return switch (first) {
      case 0x1f8b, 0x1f9e -> "gzip";
      case 0x425a -> "bzip2";
      case 0x5d00 -> "lzma";
      case 0xfd37 -> "xz";
      case 0x894c -> "lzo";
      case 0x0221 -> "lz4";
      case 0x28b5 -> "zstd";
      case 0x7f45 -> "nothing";
      default -> "something unknown (%04x)".formatted(first);
    };
  }

  private InputStream source(int trailerBytes) {
    return new ByteArrayInputStream(packed, offset, bytes - trailerBytes);
  }

  private byte[] drain(InputStream unpacking, int length) throws IOException {
    try (unpacking) {
      byte[] out = new byte[Math.min(length, FIRST_ROOM_BYTES)];
      int filled = 0;
      while (true) {
        int read = unpacking.readNBytes(out, filled, out.length - filled);
        filled += read;
        if (filled < out.length || filled == length) {
          break;
        }
        out = Arrays.copyOf(out, (int) Math.min(length, 2L * out.length));
      }
      if (filled != length || unpacking.read() != -1) {
        throw new IOException("unpacked size differs from the " + length + " bytes promised");
      }
      return out;
    }
  }

  private byte[] lz4(int length) throws IOException {
    byte[] out = new byte[Math.min(length, FIRST_ROOM_BYTES)];
    int filled = 0;
    int at = offset + 4;
    int end = offset + bytes - 4;
    while (at < end) {
      if (end - at < 4) {
        throw new IOException("a block header is cut off");
      }
      int block = LowMemory.littleEndian(4).put(packed, at, 4).getInt(0);
      at += 4;
      if (block <= 0 || block > end - at) {
        throw new IOException("a block of " + block + " bytes");
      }
      int room = Math.min(LZ4_BLOCK_BYTES, length - filled);
      if (out.length - filled < room) {
        long wanted = Math.max(2L * out.length, (long) filled + room);
        out = Arrays.copyOf(out, (int) Math.min(length, wanted));
      }
      try (BlockLZ4CompressorInputStream unpacking =
          new BlockLZ4CompressorInputStream(new ByteArrayInputStream(packed, at, block))) {
        filled += unpacking.readNBytes(out, filled, room);
        if (unpacking.read() != -1) {
          throw new IOException("a block is larger than promised");
        }
      }
      at += block;
    }
    if (filled != length) {
      throw new IOException("unpacked " + filled + " bytes of " + length);
    }
    return out;
  }
}
