package lockstep.cli.common;

import java.util.Optional;
import picocli.CommandLine.IVersionProvider;

/** The version that the build wrote into the jar. */
public final class Version implements IVersionProvider {
  /** Only Picocli makes one. */
  Version() {}

  @Override
  public String[] getVersion() {
    return new String[] {"lockstep " + number(), "Java " + Runtime.version()};
  }

  /** This build's version. */
  public static String number() {
    return Optional.ofNullable(Version.class.getPackage().getImplementationVersion())
        .orElse("(not from a jar)");
  }
}
