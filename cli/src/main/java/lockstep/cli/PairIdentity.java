package lockstep.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import lockstep.replay.channel.PeerSecurity;

/**
 * Identities of the two sides of a pair: each file holds one side's key and the other's
 * certificate. Made by the JDK's keytool.
 */
final class PairIdentity {
  /** PKCS #12 wants one; the file's permissions are what protects the key. */
  private static final String PASSWORD = "lockstep";

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
   * Makes two identities that trust each other and nobody else.
   *
   * @return their files
   */
  static List<Path> make(Path directory) throws CommandFailure {
    List<Path> files = List.of(directory.resolve("one.p12"), directory.resolve("two.p12"));
    try {
      if (!Files.isDirectory(directory)) {
        Files.createDirectory(
            directory,
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      }
      for (Path file : files) {
        if (Files.exists(file)) {
          throw new CommandFailure(file + " is there already", "remove it, or give another place");
        }
      }
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
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
      }
      for (int i = 0; i < files.size(); i++) {
        Path certificate = Files.createTempFile(directory, "certificate", ".der");
        try {
          keytool(files.get(i), "-exportcert", "-alias", "self", "-file", certificate.toString());
          keytool(
              files.get(1 - i),
              "-importcert",
              "-noprompt",
              "-alias",
              "peer",
              "-file",
              certificate.toString());
        } finally {
          Files.delete(certificate);
        }
      }
      return files;
    } catch (IOException e) {
      throw new CommandFailure(
          "identities in " + directory + ": " + FileErrors.reason(e), "check the place", e);
    }
  }

  private static void keytool(Path store, String... arguments) throws IOException, CommandFailure {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
    command.addAll(List.of(arguments));
    command.addAll(
        List.of("-storetype", "PKCS12", "-storepass", PASSWORD, "-keystore", store.toString()));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
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
