package lockstep.testvms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import lockstep.testing.KvmRequired;
import org.junit.jupiter.api.Test;

/** What {@code lockstep doctor} says: every row is there, complete, and true of this host. */
class DoctorTest {
  private static final long LIMIT_SECONDS = 120;

  private static final List<String> FROM_KVM =
      List.of(
          "KVM",
          "dirty log",
          "CPUID in kernel",
          "CPUID in user code",
          "hidden RDRAND in kernel",
          "hidden RDRAND in user code",
          "hidden RDTSCP in kernel",
          "hidden RDTSCP in user code",
          "RDTSC in user code, CR4.TSD",
          "single-step in kernel",
          "single-step in user code",
          "breakpoint in kernel",
          "breakpoint in user code",
          "interrupt window",
          "performance counters");

  private static final List<String> FROM_HOST =
      List.of("KVM module", "paging", "huge pages", "tun", "io_uring", "iSCSI library");

  /** What the software KVM was measured to be like, by other means than doctor's probes. */
  private static final Map<String, String> KVM_PVM =
      Map.of(
          "CPUID in user code", "limited",
          "hidden RDRAND in user code", "limited",
          "hidden RDTSCP in user code", "limited",
          "RDTSC in user code, CR4.TSD", "limited",
          "single-step in kernel", "ok",
          "single-step in user code", "limited",
          "breakpoint in kernel", "ok",
          "dirty log", "ok",
          "SYSCALL", "limited",
          "performance counters", "limited");

  private record Result(int code, String out, String err) {}

  private static Result lockstep(List<String> prefix, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(prefix);
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), "lockstep.cli.Main"));
    command.addAll(List.of(arguments));
    Path err = Files.createTempFile("doctor", ".err");
    try {
      Process process = new ProcessBuilder(command).redirectError(err.toFile()).start();
      process.getOutputStream().close();
      String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertTrue(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS), "did not end: " + command);
      return new Result(process.exitValue(), out, Files.readString(err));
    } finally {
      Files.delete(err);
    }
  }

  private static Map<String, Map<String, Object>> rows(String json) throws IOException {
    Map<String, Map<String, Object>> rows = new HashMap<>();
    for (Object element : JSON.std.listFrom(json)) {
      Map<String, Object> row = typed((Map<?, ?>) element);
      assertEquals(Set.of("name", "state", "value", "consequence"), row.keySet());
      row.forEach((field, text) -> assertFalse(text.toString().isBlank(), field + " of " + row));
      assertTrue(Set.of("ok", "limited", "missing").contains(row.get("state")), row.toString());
      assertEquals(null, rows.put(row.getOrDefault("name", "").toString(), row), "twice: " + row);
    }
    return rows;
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> typed(Map<?, ?> row) {
    return (Map<String, Object>) row;
  }

  @Test
  @KvmRequired
  void everyRowIsThereAndTrueOfThisHost() throws Exception {
    Result doctor = lockstep(List.of(), "doctor", "--json");
    assertEquals(0, doctor.code(), doctor.err());
    Map<String, Map<String, Object>> rows = rows(doctor.out());
    for (String name : FROM_KVM) {
      assertTrue(rows.containsKey(name), name + " in " + rows.keySet());
    }
    for (String name : FROM_HOST) {
      assertTrue(rows.containsKey(name), name + " in " + rows.keySet());
    }
    String text = lockstep(List.of(), "doctor").out();
    assertEquals(rows.size(), text.lines().count(), text);

    assertState(rows, "tun", Files.isWritable(Path.of("/dev/net/tun")) ? "ok" : "limited");
    boolean pages = Files.exists(Path.of("/sys/kernel/mm/transparent_hugepage/enabled"));
    assertEquals(
        !pages, String.valueOf(field(rows, "huge pages", "value")).equals("not in this kernel"));
    if (Files.isDirectory(Path.of("/sys/module/kvm_pvm"))) {
      assertEquals("kvm_pvm", field(rows, "KVM module", "value"));
      KVM_PVM.forEach((name, state) -> assertState(rows, name, state));
    }
  }

  private static Object field(Map<String, Map<String, Object>> rows, String name, String field) {
    return rows.getOrDefault(name, Map.of()).getOrDefault(field, "");
  }

  private static void assertState(
      Map<String, Map<String, Object>> rows, String name, String state) {
    assertEquals(state, field(rows, name, "state"), () -> name + ": " + rows.get(name));
  }

  /** A mount namespace of its own, in which something else is at /dev/kvm. */
  private static List<String> withKvmAs(String script) throws Exception {
    List<String> prefix = List.of("unshare", "-m", "sh", "-c", script + " && exec \"$@\"", "sh");
    List<String> trial = new ArrayList<>(prefix);
    trial.add("true");
    boolean works =
        new ProcessBuilder(trial)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor()
            == 0;
    assumeTrue(works, "no mount namespaces here: this needs root and /dev/kvm");
    return prefix;
  }

  @Test
  void hostWithoutUsableKvmIsOneLineForRunAndARowForDoctor() throws Exception {
    Map<String, String> ways =
        Map.of(
            "mount --bind /dev/null /dev/kvm",
            "ENOTTY",
            "mount -t tmpfs none /dev && mknod /dev/urandom c 1 9 && mknod /dev/random c 1 8",
            "modprobe",
            "mount -t tmpfs none /dev && mknod /dev/urandom c 1 9 && mknod /dev/random c 1 8"
                + " && mknod -m 0 /dev/kvm c 250 250",
            "/dev/kvm");
    for (Map.Entry<String, String> way : ways.entrySet()) {
      List<String> prefix = withKvmAs(way.getKey());
      Result run = lockstep(prefix, "run", "--guest", "hello");
      assertEquals(1, run.code(), run.err());
      assertEquals(1, run.err().lines().count(), run.err());
      assertTrue(run.err().startsWith("lockstep run: "), run.err());
      assertTrue(run.err().contains(way.getValue()), run.err());
      assertEquals("", run.out());
      Result doctor = lockstep(prefix, "doctor", "--json");
      assertEquals(1, doctor.code(), doctor.err());
      Map<String, Map<String, Object>> rows = rows(doctor.out());
      assertState(rows, "KVM", "missing");
      for (String name : FROM_HOST) {
        assertTrue(rows.containsKey(name), name + " in " + rows.keySet());
      }
    }
  }
}
