package lockstep.cli.doctor;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import lockstep.cli.common.ExitCode;
import lockstep.cli.common.Finding;
import lockstep.cli.common.HostErrors;
import lockstep.cli.common.Json;
import lockstep.kvm.Kvm;
import lockstep.sys.SysException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lockstep doctor}: what this host and its KVM honour, found by running small guests. */
@Command(
    name = "doctor",
    description = "Find out what this host and its KVM honour, and what that means.",
    footerHeading = "%nExample:%n",
    footer = "  lockstep doctor --json")
public final class DoctorCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--json",
      description = "Print a JSON array of {name, state, value, consequence}.")
  private boolean json;

  /** Only Picocli makes one. */
  DoctorCommand() {}

  @Override
  public Integer call() {
    List<Finding> findings = new ArrayList<>();
    boolean usable = true;
    try (Kvm kvm = Kvm.open()) {
      findings.addAll(KvmFindings.all(kvm));
    } catch (SysException e) {
      usable = false;
      findings.add(
          new Finding(
              "KVM",
              Finding.State.MISSING,
              e.getMessage() + "",
              "no guest runs here; " + HostErrors.describe(e)));
    }
    findings.addAll(HostFindings.all());
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.of(findings.stream().map(Finding::json).toList()));
    } else {
      Finding.print(out, findings);
    }
    out.flush();
    return usable ? ExitCode.DONE : ExitCode.FAILED;
  }
}
