package lockstep.monitor.boot;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import lockstep.monitor.boot.ElfFile.Section;
import lockstep.monitor.boot.RewriteReport.Kind;
import lockstep.monitor.boot.RewriteReport.Site;

/**
 * Replaces RDTSC, RDTSCP and CPUID in the executable sections of a 64-bit kernel by port reads of
 * the same length, so that the monitor answers them. Stock KVM cannot be asked to intercept RDTSC.
 *
 * <p>The sites are found by linear-sweep disassembly, as objdump does it: compilers for x86 keep
 * tables out of text, and the kernel's alternatives are whole instructions one after the other.
 * Bytes that are no instruction are stepped over one at a time; where there are symbols, the sweep
 * also starts afresh at every function, so that data in text cannot put it out of step for longer
 * than one function. A search for the byte pairs alone would hit immediates and displacements.
 *
 * <p>Out of reach are code that a kernel loads or makes later (modules, BPF programs) and the vDSO,
 * which is data of the kernel and runs as user code.
 */
final class TextRewriter {
  private static final byte IN_EAX_IMM8 = (byte) 0xe5;
  private static final byte INT3 = (byte) 0xcc;
  private static final byte NOP = (byte) 0x90;
  private static final int OPERAND_SIZE = 0x66;

  private final byte[] kernel;
  private final RewriteOptions options;
  private final List<Site> sites = new ArrayList<>();
  private long resyncs;

  private TextRewriter(byte[] kernel, RewriteOptions options) {
    this.kernel = kernel;
    this.options = options;
  }

  /**
   * Rewrites in place.
   *
   * @param kernel the ELF file's bytes, which are changed
   * @throws BootException when rewriting is wanted and no executable section is to be found
   */
  static RewriteReport rewrite(ElfFile elf, byte[] kernel, RewriteOptions options)
      throws BootException {
    if (!options.any()) {
      return RewriteReport.NONE;
    }
    TextRewriter rewriter = new TextRewriter(kernel, options);
    List<Section> sections = elf.sections();
    long[] starts = elf.functionStarts(sections);
    int swept = 0;
    long bytes = 0;
    for (Section section : sections) {
      if (section.isCode()) {
        swept++;
        bytes += section.bytes();
        if (bytes > kernel.length) {
          throw elf.notAKernel("has sections that lie over each other");
        }
        rewriter.sweep(section, starts);
      }
    }
    if (swept == 0) {
      throw new BootException(
          elf.file(),
          "has no section headers, so its RDTSC instructions cannot be found",
          "use a kernel whose section headers were not stripped");
    }
    return new RewriteReport(swept, bytes, rewriter.sites, rewriter.resyncs, List.of());
  }

  private void sweep(Section section, long[] starts) {
    int from = (int) section.offset();
    int end = from + (int) section.bytes();
    int at = from;
    int next = firstAtOrAfter(starts, section.address());
    int boundary = from;
    while (at < end) {
      // Padding up to 2 MiB is half of a small kernel's text.
      if (kernel[at] == INT3) {
        at++;
        continue;
      }
      while (boundary <= at) {
        boundary = next < starts.length ? offset(section, starts[next++]) : end;
      }
      // An instruction is decoded up to the next function only: it cannot reach into one.
      int decoded = Instruction.decode(kernel, at, boundary);
      if (decoded == Instruction.INVALID) {
        resyncs++;
        at++;
        continue;
      }
      if (Instruction.kind(decoded) != Instruction.OTHER) {
        replace(section, at, decoded);
      }
      at += Instruction.length(decoded);
    }
  }

  private static int firstAtOrAfter(long[] starts, long address) {
    int found = Arrays.binarySearch(starts, address);
    return found >= 0 ? found : -found - 1;
  }

  /** The place in the file of a symbol at or after the section's start, or the section's end. */
  private static int offset(Section section, long address) {
    long relative = address - section.address();
    boolean inside = relative >= 0 && relative < section.bytes();
    return (int) (section.offset() + (inside ? relative : section.bytes()));
  }

  private void replace(Section section, int at, int decoded) {
    Kind kind = kind(decoded);
    OptionalInt port = port(kind, options);
    if (port.isEmpty()) {
      return;
    }
    replace(kernel, at, at + Instruction.opcodeAt(decoded), kind, port.getAsInt());
    sites.add(new Site(kind, section.name(), section.address() + (at - section.offset())));
  }

  /** Which instruction it is; one of those that are replaced. */
  static Kind kind(int decoded) {
    return switch (Instruction.kind(decoded)) {
      case Instruction.RDTSC -> Kind.RDTSC;
      case Instruction.RDTSCP -> Kind.RDTSCP;
      case Instruction.CPUID -> Kind.CPUID;
      default -> throw new IllegalStateException("kind " + Instruction.kind(decoded));
    };
  }

  /** Where the monitor answers it; empty where it is to stay. */
  static OptionalInt port(Kind kind, RewriteOptions options) {
    return switch (kind) {
      case RDTSC -> options.rdtscPort();
      case RDTSCP -> options.rdtscpPort();
      case CPUID -> options.cpuidPort();
    };
  }

  /**
   * Replaces one instruction in place.
   *
   * @param at where its prefixes begin
   * @param opcode where its opcode does
   */
  static void replace(byte[] kernel, int at, int opcode, Kind kind, int port) {
    for (int i = at; i < opcode; i++) {
      // Meaningless before these three, but it would make the port read 16 bits wide.
      if (kernel[i] == OPERAND_SIZE) {
        kernel[i] = NOP;
      }
    }
    kernel[opcode] = IN_EAX_IMM8;
    kernel[opcode + 1] = (byte) port;
    if (kind == Kind.RDTSCP) {
      kernel[opcode + 2] = NOP;
    }
  }
}
