package lockstep.testvms;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.regex.Pattern;

/**
 * A guest program and what a machine that runs it right shows.
 *
 * @param name what {@code --guest} takes
 * @param purpose what it tries, in one line
 * @param resource the image on the class path
 * @param format how it is loaded
 * @param memoryMib the guest memory it is run with unless told otherwise, in MiB
 * @param consoleInput what to type once it runs; empty for most
 * @param expectedOutput found in the console's output, line ends turned into {@code \n}
 * @param exitCode what it writes to the exit port
 */
public record Guest(
    String name,
    String purpose,
    String resource,
    Format format,
    int memoryMib,
    String consoleInput,
    Pattern expectedOutput,
    int exitCode) {

  /** How an image is loaded and entered. */
  public enum Format {
    /** A boot sector at 0000:7C00, real mode. */
    FLAT16,
    /** A 32-bit ELF kernel by the Multiboot 1 specification. */
    MULTIBOOT
  }

  /** The image. */
  public byte[] image() {
    try (InputStream in = Guest.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalStateException(resource + " is not on the class path: build test-vms");
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(resource + " cannot be read from the class path", e);
    }
  }

  /**
   * Whether a run showed what it should.
   *
   * @param console all that the guest wrote to its console
   * @param code what it wrote to the exit port
   */
  public boolean passes(String console, int code) {
    return code == exitCode && expectedOutput.matcher(console.replace("\r\n", "\n")).find();
  }

  /** Its name: what a test report needs. */
  @Override
  public String toString() {
    return name;
  }
}
