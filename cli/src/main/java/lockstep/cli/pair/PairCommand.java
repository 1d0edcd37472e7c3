package lockstep.cli.pair;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import lockstep.cli.common.ExitCode;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code lockstep pair}: what two hosts need to trust each other. */
@Command(
    name = "pair",
    description = "Make what two hosts need to trust each other.",
    subcommands = PairCommand.Init.class,
    footerHeading = "%nExample:%n",
    footer = "  lockstep pair init web-pair")
public final class PairCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  /** Only Picocli makes one. */
  PairCommand() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "no command given; init is the only one");
  }

  /** {@code lockstep pair init}. */
  @Command(
      name = "init",
      description = "Make two identities that trust each other and nobody else.",
      footerHeading = "%nExample:%n",
      footer = "  lockstep pair init web-pair")
  static final class Init implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();

    @Parameters(paramLabel = "DIRECTORY", description = "Where to; made if it is not there.")
    private Path directory = Path.of("");

    /** Only Picocli makes one. */
    Init() {}

    @Override
    public Integer call() throws Exception {
      List<Path> files = PairIdentity.make(directory);
      spec.commandLine()
          .getOut()
          .printf(
              "%s  for this host: give it to lockstep primary and backup with --identity%n"
                  + "%s  for the other host: copy it there by a way you trust, then remove it here%n",
              files.get(0), files.get(1));
      spec.commandLine().getOut().flush();
      return ExitCode.DONE;
    }
  }
}
