package lockstep.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import lockstep.kvm.Kvm;
import lockstep.kvm.VmFd;
import lockstep.sys.SysException;
import org.junit.jupiter.api.extension.BeforeTestExecutionCallback;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/** What {@link KvmRequired} does. */
final class KvmRequiredExtension implements ExecutionCondition, BeforeTestExecutionCallback {
  /** Surefire runs a module's tests in its directory, in one JVM. */
  private static final Path REPORT = Path.of("target", "kvm-tests.txt");

  private static final Optional<String> UNUSABLE = probe();
  private static boolean reportStarted;

  private static Optional<String> probe() {
    try (Kvm kvm = Kvm.open();
        VmFd vm = kvm.createVm()) {
      vm.createVcpu().close();
      return Optional.empty();
    } catch (SysException e) {
      return Optional.of(String.valueOf(e.getMessage()));
    }
  }

  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    if (UNUSABLE.isEmpty()) {
      return ConditionEvaluationResult.enabled("KVM is usable");
    }
    String reason = UNUSABLE.get();
    System.out.println("SKIPPED, no usable KVM: " + name(context) + ": " + reason);
    report("SKIPPED " + name(context) + " " + reason);
    return ConditionEvaluationResult.disabled("no usable KVM: " + reason);
  }

  @Override
  public void beforeTestExecution(ExtensionContext context) {
    report("RAN " + name(context));
  }

  private static String name(ExtensionContext context) {
    String type = context.getRequiredTestClass().getName();
    return context.getTestMethod().map(method -> type + "#" + method.getName()).orElse(type);
  }

  /** The first line of a JVM replaces what an earlier run left. */
  private static synchronized void report(String line) {
    try {
      Files.createDirectories(REPORT.toAbsolutePath().getParent());
      Files.writeString(
          REPORT,
          line + "\n",
          StandardOpenOption.CREATE,
          reportStarted ? StandardOpenOption.APPEND : StandardOpenOption.TRUNCATE_EXISTING,
          StandardOpenOption.WRITE);
      reportStarted = true;
    } catch (IOException e) {
      throw new IllegalStateException("cannot write " + REPORT.toAbsolutePath(), e);
    }
  }
}
