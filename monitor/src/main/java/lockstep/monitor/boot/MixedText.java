package lockstep.monitor.boot;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import lockstep.monitor.boot.RewriteReport.Kind;
import lockstep.monitor.boot.RewriteReport.Site;

/**
 * RDTSC, RDTSCP and CPUID in code whose mode is not known: a Multiboot kernel is entered in 32-bit
 * mode, and its file does not say where 64-bit code begins. The code is disassembled in both modes.
 * Where an executable section says that it is code and both find the same instruction, it is
 * replaced as {@link TextRewriter} does it; whatever else either finds is told of and left alone.
 */
final class MixedText {
  private static final int[] PROTECTED_MODES = {64, 32};
  private static final int[] REAL_MODES = {16, 32};

  private final byte[] file;
  private final RewriteOptions options;
  private final List<Site> sites = new ArrayList<>();
  private final List<Site> left = new ArrayList<>();
  private int ranges;
  private long bytes;
  private long resyncs;

  /**
   * @param file the bytes that are swept and changed in place
   */
  MixedText(byte[] file, RewriteOptions options) {
    this.file = file;
    this.options = options;
  }

  /** Code for certain: what both modes find is rewritten. */
  void rewrite(ElfFile.Section section, long[] functionStarts) {
    int from = (int) section.offset();
    int end = from + (int) section.bytes();
    int[] starts =
        Arrays.stream(functionStarts)
            .map(address -> address - section.address())
            .filter(relative -> relative > 0 && relative < section.bytes())
            .mapToInt(relative -> from + (int) relative)
            .toArray();
    sweep(from, end, section.address(), section.name(), starts, PROTECTED_MODES, true);
  }

  /** Maybe code, maybe not: nothing is changed. */
  void look(int from, int length, long address, String name, boolean realMode) {
    int[] modes = realMode ? REAL_MODES : PROTECTED_MODES;
    sweep(from, from + length, address, name, new int[0], modes, false);
  }

  RewriteReport report() {
    return new RewriteReport(ranges, bytes, sites, resyncs, left);
  }

  private void sweep(
      int from, int end, long address, String name, int[] starts, int[] modes, boolean rewrite) {
    ranges++;
    bytes += end - from;
    Map<Integer, Found> one = find(from, end, starts, modes[0]);
    Map<Integer, Found> other = find(from, end, starts, modes[1]);
    List<Site> unsure = new ArrayList<>();
    one.forEach(
        (opcode, found) -> {
          Site site = new Site(found.kind(), name, address + (opcode - from));
          Found same = other.remove(opcode);
          if (!rewrite || same == null || same.kind() != found.kind()) {
            unsure.add(site);
            return;
          }
          int port = TextRewriter.port(found.kind(), options).orElseThrow();
          // Prefixes that both see.
          int at = Math.max(found.at(), same.at());
          TextRewriter.replace(file, at, opcode, found.kind(), port);
          sites.add(site);
        });
    other.forEach(
        (opcode, found) -> unsure.add(new Site(found.kind(), name, address + (opcode - from))));
    unsure.sort(Comparator.comparingLong(Site::address));
    left.addAll(unsure);
  }

  private record Found(Kind kind, int at) {}

  /** What is to be replaced, by where its opcode is, in order. */
  private Map<Integer, Found> find(int from, int end, int[] starts, int bits) {
    Map<Integer, Found> all = new LinkedHashMap<>();
    int at = from;
    int next = 0;
    while (at < end) {
      while (next < starts.length && starts[next] <= at) {
        next++;
      }
      int boundary = next < starts.length ? starts[next] : end;
      int decoded =
          bits == 64
              ? Instruction.decode(file, at, boundary)
              : LegacyInstruction.decode(file, at, boundary, bits);
      if (decoded == Instruction.INVALID) {
        resyncs++;
        at++;
        continue;
      }
      if (Instruction.kind(decoded) != Instruction.OTHER) {
        Kind kind = TextRewriter.kind(decoded);
        if (TextRewriter.port(kind, options).isPresent()) {
          all.put(at + Instruction.opcodeAt(decoded), new Found(kind, at));
        }
      }
      at += Instruction.length(decoded);
    }
    return all;
  }
}
