package lockstep.cli.pair;

import java.io.Closeable;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import lockstep.cli.common.ConfigFile;
import lockstep.cli.common.HostPort;
import lockstep.cli.console.TerminalConsole;
import lockstep.cli.run.PlacementWord;
import lockstep.cli.vm.MetricsOption;
import lockstep.kvm.Kvm;
import lockstep.replay.ft.protocol.FtSession;
import lockstep.replay.ft.vcpu.VmEnd;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lockstep backup}: follows a primary and goes on when it dies. */
@Command(
    name = "backup",
    description = "Wait for a primary, follow its VM, and go on when that host dies.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  lockstep backup --listen 0.0.0.0:7000 --disk file:/shared/web.img",
      "  lockstep primary --guest linux --disk file:/shared/web.img --backup 192.0.2.7:7000"
          + "     (on the other host)",
      "  lockstep backup --listen 0.0.0.0:7000 \\",
      "      --disk iscsi://192.0.2.9/iqn.2026-11.com.example:web/1?chap=web.chap"
    },
    exitCodeList = {
      "0:the VM ended or was stopped, here or at the primary",
      "1:failed, or the guest crashed here, or the other side goes on",
      "2:wrong usage",
      "3:a part of Lockstep failed, and the process ended at once: the other side takes over",
      "128+N:signal N told it to end, and it did (129: SIGHUP, 130: SIGINT, 143: SIGTERM)",
      "N:what the guest wrote to its exit port (0xf4) here"
    })
public final class BackupCommand implements Callable<Integer> {
  private static final long MAX_INPUT_DELAY_MILLIS = 50;

  @Spec private CommandSpec spec = CommandSpec.create();

  @SuppressWarnings("UnusedVariable") // for --help; Main has read the file
  @Mixin
  private ConfigFile config = new ConfigFile();

  @Mixin private PairOptions pair = new PairOptions();
  @Mixin private MetricsOption metrics = new MetricsOption();

  @Option(
      names = "--listen",
      required = true,
      paramLabel = "HOST:PORT",
      converter = HostPort.class,
      description = "Where primaries connect; port 0 takes a free one, which is printed.")
  private InetSocketAddress listen = new InetSocketAddress(0);

  /** Only Picocli makes one. */
  BackupCommand() {}

  @Override
  public Integer call() throws Exception {
    VmEnd end;
    try (Kvm kvm = Kvm.open();
        PairDisk storage = pair.open();
        PairRun run =
            new PairRun(
                pair.name("backup-" + listen.getPort()),
                kvm,
                pair.security(Optional.of(listen)),
                pair.heartbeatPort(),
                pair.insecure(),
                pair.stopSeconds(),
                FtSession.backup(pair.times()),
                pair.times(),
                storage,
                PlacementWord.AUTO.options(
                    kvm, TimeUnit.MILLISECONDS.toNanos(MAX_INPUT_DELAY_MILLIS)),
                this::say);
        Closeable _ = metrics.open(run.commands(), this::say);
        TerminalConsole _ = TerminalConsole.openInput(run)) {
      say(storage.guarantees());
      InetSocketAddress at = run.listen(listen);
      say("listening on " + HostPort.show(at));
      run.spares(pair.spares(), false);
      end = run.backup();
    }
    return PairEnd.exitCode(end, spec.commandLine());
  }

  private void say(String line) {
    PrintWriter err = spec.commandLine().getErr();
    err.print("lockstep backup: " + line + "\r\n");
    err.flush();
  }
}
