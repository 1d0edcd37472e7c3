package lockstep.monitor.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lockstep.monitor.boot.RewriteReport.Kind;
import lockstep.monitor.boot.RewriteReport.Site;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The rewriter finds exactly the sites that objdump shows, and leaves all other bytes alone. */
final class TextRewriterTest {
  private static final int TSC_PORT = 0xe0;
  private static final int TSCP_PORT = 0xe1;
  private static final int CPUID_PORT = 0xe2;
  private static final RewriteOptions ALL =
      RewriteOptions.timestamps(TSC_PORT, TSCP_PORT).withCpuid(CPUID_PORT);
  private static final Pattern LINE =
      Pattern.compile("^\\s*([0-9a-f]+):\\s+(?:data16 )?(rdtscp?|cpuid)\\s*$");

  @Test
  void everySiteIsFoundAmongLookalikes(@TempDir Path dir) throws Exception {
    Path program = compile(dir);
    byte[] kernel = Files.readAllBytes(program);
    byte[] original = kernel.clone();
    ElfFile elf = ElfFile.parse(program.toString(), kernel);
    RewriteReport report = TextRewriter.rewrite(elf, kernel, ALL);
    Map<Long, Kind> expected = objdump(program);
    assertEquals(expected, byAddress(report));
    assertTrue(report.count(Kind.RDTSC) >= 8, report.toString());
    assertTrue(report.count(Kind.CPUID) >= 4, report.toString());
    assertTrue(report.count(Kind.RDTSCP) >= 3, report.toString());
    assertOnlySitesChanged(elf, original, kernel, report);
  }

  @Test
  void withoutSymbolsTheSameSitesAreFoundOutsideDataInText(@TempDir Path dir) throws Exception {
    Path program = compile(dir);
    Path stripped = dir.resolve("stripped");
    run(dir, "objcopy", "-S", program.toString(), stripped.toString());
    byte[] kernel = Files.readAllBytes(stripped);
    RewriteReport report = TextRewriter.rewrite(ElfFile.parse("stripped", kernel), kernel, ALL);
    assertEquals(objdump(stripped), byAddress(report));
  }

  @Test
  void onlyWhatIsAskedForIsRewritten(@TempDir Path dir) throws Exception {
    Path program = compile(dir);
    byte[] kernel = Files.readAllBytes(program);
    ElfFile elf = ElfFile.parse("kernel", kernel);
    assertEquals(RewriteReport.NONE, TextRewriter.rewrite(elf, kernel, RewriteOptions.NONE));
    RewriteReport report =
        TextRewriter.rewrite(elf, kernel, RewriteOptions.timestamps(TSC_PORT, TSCP_PORT));
    assertEquals(0, report.count(Kind.CPUID));
    assertTrue(objdump(program).containsValue(Kind.CPUID));
  }

  @Test
  void rewritingDoesNotTouchTheCallersFile(@TempDir Path dir) throws Exception {
    byte[] kernel = KernelFiles.vmlinux(new byte[] {0x0f, 0x31, (byte) 0xc3});
    byte[] original = kernel.clone();
    BootImage image =
        BootImages.load(
            BootFile.of("kernel", kernel), BootConfig.of(64 << 20, "").withRewrite(ALL));
    assertEquals(1, image.rewrites().count(Kind.RDTSC));
    assertTrue(Arrays.equals(original, kernel));
  }

  /** Cached kernels are built by other tests and recipes; none there is a skip that says so. */
  @Test
  void realKernelsAgreeWithObjdump() throws Exception {
    List<Path> kernels = KernelFiles.cachedKernels();
    assumeTrue(!kernels.isEmpty(), "skipped: no vmlinux below " + KernelFiles.cache());
    for (Path path : kernels) {
      byte[] kernel = Files.readAllBytes(path);
      long start = System.nanoTime();
      RewriteReport report =
          TextRewriter.rewrite(ElfFile.parse(path.toString(), kernel), kernel, ALL);
      long millis = (System.nanoTime() - start) / 1_000_000;
      System.out.println("rewrite: " + path + ": " + report + " in " + millis + " ms");
      assertEquals(objdump(path), byAddress(report), path.toString());
    }
  }

  private static void assertOnlySitesChanged(
      ElfFile elf, byte[] original, byte[] kernel, RewriteReport report) throws BootException {
    byte[] expected = original.clone();
    for (Site site : report.sites()) {
      ElfFile.Section section =
          elf.sections().stream()
              .filter(s -> s.isCode() && s.name().equals(site.section()))
              .findFirst()
              .orElseThrow();
      int at = (int) (section.offset() + site.address() - section.address());
      if (expected[at] == 0x66) {
        expected[at++] = (byte) 0x90;
      }
      expected[at] = (byte) 0xe5;
      switch (site.kind()) {
        case RDTSC -> expected[at + 1] = (byte) TSC_PORT;
        case CPUID -> expected[at + 1] = (byte) CPUID_PORT;
        case RDTSCP -> {
          expected[at + 1] = (byte) TSCP_PORT;
          expected[at + 2] = (byte) 0x90;
        }
      }
    }
    assertEquals(-1, Arrays.mismatch(expected, kernel));
  }

  private static Map<Long, Kind> byAddress(RewriteReport report) {
    Map<Long, Kind> sites = new TreeMap<>();
    report.sites().forEach(site -> sites.put(site.address(), site.kind()));
    return sites;
  }

  private static Map<Long, Kind> objdump(Path file) throws Exception {
    Map<Long, Kind> sites = new TreeMap<>();
    for (String line : run(file, "objdump", "-d", "--no-show-raw-insn", file.toString())) {
      Matcher match = LINE.matcher(line);
      if (match.matches()) {
        sites.put(
            Long.parseUnsignedLong(match.group(1), 16),
            Kind.valueOf(match.group(2).toUpperCase(Locale.ROOT)));
      }
    }
    return sites;
  }

  private static Path compile(Path dir) throws Exception {
    Path source = dir.resolve("timestamps.c");
    try (InputStream in = TextRewriterTest.class.getResourceAsStream("timestamps.c")) {
      assertTrue(in != null, "timestamps.c is a test resource");
      Files.write(source, in.readAllBytes());
    }
    Path program = dir.resolve("timestamps");
    run(
        dir,
        "gcc",
        "-O2",
        "-static",
        "-nostdlib",
        "-no-pie",
        "-fno-pic",
        "-fno-stack-protector",
        "-Wl,--build-id=none",
        "-o",
        program.toString(),
        source.toString());
    return program;
  }

  private static List<String> run(Path what, String... command) throws Exception {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    List<String> relevant = new ArrayList<>();
    try (BufferedReader out = process.inputReader(StandardCharsets.US_ASCII)) {
      for (String line = out.readLine(); line != null; line = out.readLine()) {
        if (relevant.size() < 1000 && !line.isBlank() && relevantLine(command[0], line)) {
          relevant.add(line);
        }
      }
    }
    assertEquals(0, process.waitFor(), () -> what + ": " + String.join("\n", relevant));
    return relevant;
  }

  /** A kernel's listing has millions of lines; those of other tools are error messages. */
  private static boolean relevantLine(String tool, String line) {
    return !tool.equals("objdump") || LINE.matcher(line).matches();
  }
}
