package lockstep.storage.iscsi;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.storage.ffi.IscsiContext;

/**
 * Names a logical unit: {@code iscsi://HOST[:PORT]/TARGET/LUN[?chap=FILE][&initiator=NAME]}.
 *
 * @param host a name or an address; an IPv6 one in brackets
 * @param port of the target's portal
 * @param target its iSCSI name (RFC 3720, 3.2.6)
 * @param lun the unit's number, up to {@link #MAX_LUN}
 * @param chap a file with a line {@code USER:SECRET}
 * @param initiator this host's iSCSI name, if it is not to be the usual one
 */
public record IscsiAddress(
    String host,
    int port,
    String target,
    int lun,
    Optional<Path> chap,
    Optional<String> initiator) {
  /** What RFC 3720 gives to iSCSI. */
  public static final int USUAL_PORT = 3260;

  /** The largest number of the flat space (SAM-5, 4.7.7). */
  public static final int MAX_LUN = 0x3fff;

  private static final Pattern FORM =
      Pattern.compile(
          "//(\\[[0-9a-fA-F:.]+]|[^/:\\[\\]?]+)(?::(\\d{1,5}))?/([^/?]+)/(\\d{1,5})(?:\\?(.*))?");
  private static final Pattern NAME = Pattern.compile("(iqn|eui|naa)\\.[0-9A-Za-z.:_-]{1,219}");
  private static final Path HOSTS_NAME = Path.of("/etc/iscsi/initiatorname.iscsi");
  private static final Path KERNELS_NAME = Path.of("/proc/sys/kernel/hostname");
  private static final String NAME_PREFIX = "iqn.2026-11.dev.lockstep:";

  /**
   * Reads what stands behind {@code iscsi:}.
   *
   * @throws IllegalArgumentException when it is no address; one line
   */
  public static IscsiAddress parse(String text) {
    Matcher matcher = FORM.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "'iscsi:" + text + "' is not an iSCSI disk; give iscsi://HOST[:PORT]/TARGET/LUN");
    }
    int port = matcher.group(2) == null ? USUAL_PORT : Integer.parseInt(matcher.group(2));
    int lun = Integer.parseInt(matcher.group(4));
    if (port < 1 || port > 0xffff || lun > MAX_LUN) {
      throw new IllegalArgumentException(
          "'iscsi:%s': a port is 1 to 65535, a LUN 0 to %d".formatted(text, MAX_LUN));
    }
    Optional<Path> chap = Optional.empty();
    Optional<String> initiator = Optional.empty();
    String options = matcher.group(5) == null ? "" : matcher.group(5);
    for (String option : options.isEmpty() ? new String[0] : options.split("&", -1)) {
      if (option.startsWith("chap=")) {
        chap = Optional.of(path(option.substring("chap=".length())));
      } else if (option.startsWith("initiator=")) {
        initiator = Optional.of(name(option.substring("initiator=".length())));
      } else {
        throw new IllegalArgumentException(
            "'" + option + "' is not an option of an iSCSI disk: chap=FILE or initiator=NAME");
      }
    }
    return new IscsiAddress(matcher.group(1), port, name(matcher.group(3)), lun, chap, initiator);
  }

  private static String name(String text) {
    if (!NAME.matcher(text).matches()) {
      throw new IllegalArgumentException(
          "'" + text + "' is not an iSCSI name; they look like iqn.2001-04.com.example:disk");
    }
    return text.toLowerCase(Locale.ROOT);
  }

  private static Path path(String text) {
    try {
      return Path.of(text);
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException("'" + text + "' is no path", e);
    }
  }

  /** {@code HOST:PORT}. */
  public String portal() {
    return host + ":" + port;
  }

  /** Without options, for messages. */
  @Override
  public String toString() {
    return "iscsi://%s/%s/%d".formatted(portal(), target, lun);
  }

  /**
   * What the library says of a failed login, in words that say what to do (RFC 7143, 11.13.5, for
   * the numbers: class and detail as one, 0x201 being 513).
   */
  String loginProblem(String said) {
    if (said.contains("(513)")) {
      return chap.isEmpty()
          ? "the target wants a secret: add ?chap=FILE"
          : "the target refuses user or secret of " + chap.get() + " (CHAP)";
    }
    if (said.contains("(514)")) {
      return "the target does not admit the initiator "
          + initiator.orElseGet(IscsiAddress::usualInitiator);
    }
    if (said.contains("(515)")) {
      return "no such target there: check its name";
    }
    if (said.contains("resolv")) {
      return "no such host: " + host;
    }
    return said;
  }

  /**
   * With what to log in.
   *
   * @param isid 24 bits that make the nexus
   * @throws IOException when the file with the secret cannot be used; one line
   */
  IscsiContext.Login login(int isid) throws IOException {
    Optional<IscsiContext.Chap> secret = Optional.empty();
    if (chap.isPresent()) {
      secret = Optional.of(secret(chap.get()));
    }
    return new IscsiContext.Login(
        initiator.orElseGet(IscsiAddress::usualInitiator), isid, target, secret);
  }

  private static IscsiContext.Chap secret(Path file) throws IOException {
    if (!Files.isReadable(file)) {
      throw new IOException("CHAP file " + file + " is not there or may not be read");
    }
    Set<PosixFilePermission> others =
        Set.of(PosixFilePermission.GROUP_READ, PosixFilePermission.OTHERS_READ);
    if (Files.getPosixFilePermissions(file).stream().anyMatch(others::contains)) {
      throw new IOException("CHAP file " + file + " can be read by others: chmod 600 it");
    }
    List<String> lines = Files.readAllLines(file, UTF_8);
    int colon = lines.isEmpty() ? -1 : lines.getFirst().indexOf(':');
    if (colon < 1) {
      throw new IOException("CHAP file " + file + " needs one line: USER:SECRET");
    }
    String line = lines.getFirst();
    return new IscsiContext.Chap(line.substring(0, colon), line.substring(colon + 1).strip());
  }

  /** The name that this host's own initiator has, or one made of its host name. */
  private static String usualInitiator() {
    try {
      for (String line : Files.readAllLines(HOSTS_NAME, UTF_8)) {
        if (line.startsWith("InitiatorName=")) {
          return line.substring("InitiatorName=".length()).strip();
        }
      }
    } catch (IOException e) {
      // Most hosts have none.
    }
    String here;
    try {
      // Not by the resolver: two hosts that it does not know would both be called the same.
      here = Files.readString(KERNELS_NAME, UTF_8).strip().toLowerCase(Locale.ROOT);
    } catch (IOException e) {
      here = "host";
    }
    StringBuilder name = new StringBuilder(NAME_PREFIX);
    for (char c : Arrays.copyOf(here.toCharArray(), Math.min(here.length(), 64))) {
      name.append((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ? c : '-');
    }
    return name.toString();
  }
}
