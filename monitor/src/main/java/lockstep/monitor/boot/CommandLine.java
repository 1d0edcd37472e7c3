package lockstep.monitor.boot;

/** A kernel's command line as bytes. */
final class CommandLine {
  private static final String NAME = "command line";

  private CommandLine() {}

  /**
   * ASCII with a final zero.
   *
   * @param maxBytes the longest the kernel takes, without the zero
   */
  static byte[] encode(String text, int maxBytes) throws BootException {
    if (text.length() > maxBytes) {
      throw new BootException(
          NAME,
          "is %d characters long and the kernel takes %d".formatted(text.length(), maxBytes),
          "shorten --append");
    }
    byte[] bytes = new byte[text.length() + 1];
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == 0 || c > 0x7e) {
        throw new BootException(
            NAME,
            "has the character U+%04X at position %d".formatted((int) c, i),
            "use ASCII only");
      }
      bytes[i] = (byte) c;
    }
    return bytes;
  }
}
