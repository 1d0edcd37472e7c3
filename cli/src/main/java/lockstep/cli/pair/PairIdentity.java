package lockstep.cli.pair;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.FileErrors;
import lockstep.replay.channel.PeerSecurity;

/**
 * Identities of the two sides of a pair: each file holds one side's key and the other's
 * certificate. Made by the JDK's keytool.
 */
final class PairIdentity {
  /** PKCS #12 wants one; the file's permissions are what protects the key. */
  private static final String PASSWORD = "lockstep";

  private static final String PASSWORD_VARIABLE = "LOCKSTEP_STORE_PASSWORD";
  private static final long KEYTOOL_SECONDS = 60;

  private PairIdentity() {}

  /** What a side shows and trusts. */
  static PeerSecurity read(Path file) throws CommandFailure {
    try {
      return PeerSecurity.tls(file, PASSWORD.toCharArray());
    } catch (IOException e) {
      throw new CommandFailure(
          String.valueOf(e.getMessage()), "lockstep pair init makes identities", e);
    }
  }

  /**
   * Makes two identities that trust each other and nobody else. The files are born with their
   * permissions, from keys that were never in a directory that others may read.
   *
   * @return their files
   */
  static List<Path> make(Path directory) throws CommandFailure {
    List<Path> files = List.of(directory.resolve("one.p12"), directory.resolve("two.p12"));
    try {
      if (!Files.isDirectory(directory)) {
        Files.createDirectory(directory, permissions("rwx------"));
      }
      for (Path file : files) {
        // Not followed: a link that leads nowhere is there as well.
        if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
          throw new CommandFailure(file + " is there already", "remove it, or give another place");
        }
      }
      Path workshop =
          Files.createTempDirectory("lockstep-pair", permissions("rwx------")).toAbsolutePath();
      try {
        List<Path> made = List.of(workshop.resolve("one.p12"), workshop.resolve("two.p12"));
        generate(made);
        for (int i = 0; i < files.size(); i++) {
          publish(made.get(i), files.get(i));
        }
      } finally {
        remove(workshop);
      }
      return files;
    } catch (IOException e) {
      throw new CommandFailure(
          "identities in " + directory + ": " + FileErrors.reason(e), "check the place", e);
    }
  }

  private static FileAttribute<?> permissions(String text) {
    return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(text));
  }

  private static void generate(List<Path> files) throws IOException, CommandFailure {
    for (Path file : files) {
      keytool(
          file,
          "-genkeypair",
          "-keyalg",
          "EC",
          "-groupname",
          "secp256r1",
          "-alias",
          "self",
          "-dname",
          "CN=lockstep-" + file.getFileName(),
          "-validity",
          "3650");
    }
    for (int i = 0; i < files.size(); i++) {
      Path certificate = files.get(i).resolveSibling(i + ".der");
      keytool(files.get(i), "-exportcert", "-alias", "self", "-file", certificate.toString());
      keytool(
          files.get(1 - i),
          "-importcert",
          "-noprompt",
          "-alias",
          "peer",
          "-file",
          certificate.toString());
    }
  }

  /** O_CREAT with O_EXCL and the mode: nothing is followed, replaced, or open for a moment. */
  private static void publish(Path made, Path file) throws IOException {
    Set<OpenOption> fresh = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    try (SeekableByteChannel out = Files.newByteChannel(file, fresh, permissions("rw-------"))) {
      ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(made));
      while (bytes.hasRemaining()) {
        out.write(bytes);
      }
    }
  }

  private static void remove(Path workshop) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(workshop)) {
      for (Path file : files) {
        Files.delete(file);
      }
    }
    Files.delete(workshop);
  }

  private static void keytool(Path store, String... arguments) throws IOException, CommandFailure {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
    command.addAll(List.of(arguments));
    // Not on the command line, which every user may read.
    command.addAll(List.of("-storetype", "PKCS12", "-storepass:env", PASSWORD_VARIABLE));
    command.addAll(List.of("-keystore", store.toString()));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put(PASSWORD_VARIABLE, PASSWORD);
    Process process = builder.start();
    process.getOutputStream().close();
    String output =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    try {
      if (!process.waitFor(KEYTOOL_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new CommandFailure("keytool does not end", "see whether it runs by hand");
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
    if (process.exitValue() != 0) {
      throw new CommandFailure("keytool: " + output, "it comes with the JDK");
    }
  }
}
