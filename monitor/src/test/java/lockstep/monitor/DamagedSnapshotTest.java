package lockstep.monitor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32C;
import lockstep.kvm.CpuModel;
import lockstep.kvm.Cpuid;
import lockstep.kvm.GuestMemory;
import lockstep.kvm.VcpuState;
import lockstep.monitor.input.ExternalInput;
import lockstep.monitor.quirk.QuirkSet;
import lockstep.monitor.snapshot.Progress;
import lockstep.monitor.snapshot.SnapshotException;
import lockstep.monitor.state.Bytes;
import lockstep.monitor.vcpu.LoopState;
import lockstep.uapi.kvm_debugregs;
import lockstep.uapi.kvm_fpu;
import lockstep.uapi.kvm_mp_state;
import lockstep.uapi.kvm_regs;
import lockstep.uapi.kvm_sregs;
import lockstep.uapi.kvm_vcpu_events;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Snapshots that are damaged, or made to do damage, are refused with one line, and do none. */
class DamagedSnapshotTest {
  private static final int MUTATIONS = 100_000;
  private static final long MEMORY_BYTES = 2L << 20;
  private static final int HEADER_BYTES = 16;
  private static final int MAX_LINE = 300;
  private static final int MEMORY_SECTION = 5;
  private static final String GOLDEN = "snapshot-v3.golden";

  private final MachineConfig config =
      new MachineConfig(MEMORY_BYTES, CpuModel.Kind.DETERMINISTIC, 1_700_000_000L);
  private GuestMemory memory;
  private GuestMemory target;
  private byte[] good;

  @BeforeEach
  void snapshot() throws Exception {
    memory = GuestMemory.allocate(MEMORY_BYTES, MEMORY_BYTES);
    target = GuestMemory.allocate(MEMORY_BYTES, MEMORY_BYTES);
    byte[] noise = new byte[3000];
    new Random(5).nextBytes(noise);
    memory.write(0x10_0000, noise, 0, noise.length);
    memory.fill(0x5000, 0x3000, (byte) 0x90);
    good = write(state());
  }

  @AfterEach
  void free() {
    memory.close();
    target.close();
  }

  private MachineState state() {
    Devices devices = TestMachine.devices(config, new ScriptedInputs(), value -> {});
    Cpuid cpuid = new Cpuid(List.of(new Cpuid.Entry(0, 0, false, 7, 1, 2, 3)));
    List<ExternalInput> pending =
        List.of(
            new ExternalInput.ConsoleBytes(Bytes.copyOf(new byte[] {'l', 's'})),
            new ExternalInput.TimerExpiry(1, 99));
    return new MachineState(
        new MachineOrigin(config, new QuirkSet(true, false), cpuid, true),
        cpuOfZeros(),
        devices.save(),
        new LoopState(1234, false, false, true),
        new SavedInputs(5_000_000, pending));
  }

  private static VcpuState cpuOfZeros() {
    long[] sizes = {
      kvm_mp_state.sizeof(),
      kvm_sregs.sizeof(),
      kvm_regs.sizeof(),
      kvm_fpu.sizeof(),
      -1,
      -1,
      kvm_debugregs.sizeof(),
      0,
      kvm_vcpu_events.sizeof()
    };
    ByteBuffer out = ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < sizes.length; i++) {
      if (sizes[i] >= 0) {
        out.putInt(i + 1).putInt((int) sizes[i]).put(new byte[(int) sizes[i]]);
      }
    }
    byte[] encoded = new byte[out.position()];
    out.get(0, encoded);
    return VcpuState.decode(encoded);
  }

  private byte[] write(MachineState state) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    SavedMachine.write(state, memory, out, Progress.NONE);
    return out.toByteArray();
  }

  /** All that restoring does without KVM. */
  private void read(byte[] bytes) throws Exception {
    SavedMachine saved = SavedMachine.open(new ByteArrayInputStream(bytes));
    saved.readMemory(target, Progress.NONE);
    Devices devices = TestMachine.devices(config, new ScriptedInputs(), value -> {});
    try {
      devices.restore(saved.state().devices());
    } catch (IllegalArgumentException e) {
      throw new SnapshotException("devices: " + e.getMessage(), e);
    }
  }

  private String refusal(byte[] bytes) {
    String line = assertThrows(SnapshotException.class, () -> read(bytes)).problem();
    assertOneLine(line);
    return line;
  }

  private static void assertOneLine(String line) {
    assertFalse(line.contains("\n"), line);
    assertTrue(line.length() < MAX_LINE, line);
  }

  @Test
  void whatWasWrittenIsReadBack() throws Exception {
    SavedMachine saved = SavedMachine.open(new ByteArrayInputStream(good));
    assertEquals(state(), saved.state());
    saved.readMemory(target, Progress.NONE);
    assertEquals(memory.checksum(0, MEMORY_BYTES), target.checksum(0, MEMORY_BYTES));
    assertThrows(IllegalStateException.class, () -> saved.readMemory(target, Progress.NONE));
  }

  /**
   * Snapshots of this version exist outside; a change that they would not survive needs another.
   */
  @Test
  void theFormatIsStillTheOneOfItsGoldenFile() throws Exception {
    byte[] golden;
    try (InputStream in = DamagedSnapshotTest.class.getResourceAsStream(GOLDEN)) {
      golden = in == null ? new byte[0] : in.readAllBytes();
    }
    List<byte[]> now = sections(good);
    List<byte[]> then = golden.length == 0 ? List.of() : sections(golden);
    boolean same = then.size() == now.size();
    for (int i = 0; same && i < MEMORY_SECTION; i++) {
      same = Arrays.equals(now.get(i), then.get(i));
    }
    if (!same) {
      Path written = Files.write(Path.of("target", GOLDEN), good);
      fail(
          "the format changed: raise SectionWriter.VERSION if a release has it; golden file: "
              + written.toAbsolutePath());
    }
    // Compressors may learn to do better; what they made before must be read all the same.
    SavedMachine saved = SavedMachine.open(new ByteArrayInputStream(golden));
    assertEquals(state(), saved.state());
    saved.readMemory(target, Progress.NONE);
    assertEquals(memory.checksum(0, MEMORY_BYTES), target.checksum(0, MEMORY_BYTES));
  }

  @Test
  void everyChangedByteAndEveryCutIsNoticed() {
    long seed = System.nanoTime();
    System.out.println("DamagedSnapshotTest random damage, seed " + seed);
    Random random = new Random(seed);
    for (int i = 0; i < MUTATIONS / 2; i++) {
      byte[] bad = good.clone();
      int changes = 1 + random.nextInt(3);
      for (int change = 0; change < changes; change++) {
        int at = random.nextInt(bad.length);
        bad[at] = (byte) (good[at] ^ random.nextInt(1, 256));
      }
      refusal(bad);
    }
    for (int length = 0; length < good.length; length += 1 + random.nextInt(8)) {
      assertTrue(refusal(Arrays.copyOf(good, length)).startsWith("is cut off: "));
    }
  }

  /** Checksums are no defence against somebody who computes them again. */
  @Test
  void damageWithGoodChecksumsIsRefusedOrHarmless() throws Exception {
    long seed = System.nanoTime();
    System.out.println("DamagedSnapshotTest damage with good checksums, seed " + seed);
    Random random = new Random(seed);
    List<byte[]> sections = sections(good);
    int accepted = 0;
    for (int i = 0; i < MUTATIONS / 2; i++) {
      List<byte[]> bad = new ArrayList<>();
      sections.forEach(section -> bad.add(section.clone()));
      mutate(bad, random);
      try {
        read(joined(bad));
        accepted++;
      } catch (SnapshotException e) {
        assertOneLine(e.problem());
      }
    }
    System.out.println("DamagedSnapshotTest: " + accepted + " accepted of " + MUTATIONS / 2);
    assertTrue(accepted > 0 && accepted < MUTATIONS / 4, accepted + " accepted");
  }

  private static void mutate(List<byte[]> sections, Random random) {
    int index = random.nextInt(sections.size());
    byte[] section = sections.get(index);
    switch (random.nextInt(10)) {
      case 0 -> sections.remove(index);
      case 1 -> sections.add(index, section.clone());
      case 2 -> Collections.swap(sections, index, random.nextInt(sections.size()));
      case 3 ->
          sections.set(
              index, Arrays.copyOf(section, random.nextInt(HEADER_BYTES, section.length + 1)));
      case 4 ->
          sections.set(index, Arrays.copyOf(section, section.length + 1 + random.nextInt(64)));
      case 5 -> section[random.nextInt(4)] = (byte) random.nextInt();
      default -> {
        // Numbers that are lengths, addresses and counts break at their edges.
        int[] edges = {0, 1, -1, 0x7f, 0x80, 0xff, random.nextInt()};
        int length = Math.max(1, section.length - HEADER_BYTES);
        for (int change = 0; change < 1 + random.nextInt(2); change++) {
          int at =
              Math.min(section.length - 1, HEADER_BYTES + random.nextInt(Math.min(length, 400)));
          for (int i = at; i < Math.min(section.length, at + (1 << random.nextInt(4))); i++) {
            section[i] = (byte) edges[random.nextInt(edges.length)];
          }
        }
      }
    }
  }

  /** Header and content of each section, without the file's header. */
  private static List<byte[]> sections(byte[] snapshot) {
    List<byte[]> sections = new ArrayList<>();
    ByteBuffer in = ByteBuffer.wrap(snapshot).order(ByteOrder.LITTLE_ENDIAN);
    for (int at = HEADER_BYTES; at < snapshot.length; ) {
      int length = HEADER_BYTES + in.getInt(at + 4);
      sections.add(Arrays.copyOfRange(snapshot, at, at + length));
      at += length;
    }
    return sections;
  }

  /** Puts sections together with lengths and checksums as a writer would have made them. */
  private byte[] joined(List<byte[]> sections) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(good, 0, HEADER_BYTES);
    CRC32C all = new CRC32C();
    int count = 0;
    for (byte[] section : sections) {
      ByteBuffer fields = ByteBuffer.wrap(section).order(ByteOrder.LITTLE_ENDIAN);
      boolean end = fields.getShort(0) == 7 && section.length == HEADER_BYTES + 12;
      if (end) {
        fields.putLong(HEADER_BYTES, count).putInt(HEADER_BYTES + 8, (int) all.getValue());
      }
      fields.putInt(4, section.length - HEADER_BYTES);
      fields.putInt(8, crc(section, HEADER_BYTES, section.length - HEADER_BYTES));
      fields.putInt(12, crc(section, 0, 12));
      all.update(section, 0, HEADER_BYTES);
      count++;
      out.writeBytes(section);
    }
    return out.toByteArray();
  }

  private static int crc(byte[] bytes, int offset, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, offset, length);
    return (int) crc.getValue();
  }

  @Test
  void aLostOrRepeatedMemoryChunkIsNoticedByTheEnd() {
    List<byte[]> sections = sections(good);
    assertEquals(8, sections.size(), "five of state, two of memory, the end");
    byte[] header = Arrays.copyOf(good, HEADER_BYTES);
    ByteArrayOutputStream lost = new ByteArrayOutputStream();
    lost.writeBytes(header);
    for (int i = 0; i < sections.size(); i++) {
      if (i != MEMORY_SECTION) {
        lost.writeBytes(sections.get(i));
      }
    }
    assertTrue(refusal(lost.toByteArray()).contains("of 7 sections 6 were read"));
  }

  @Test
  void anotherVersionAndOtherFilesAreToldFromDamage() {
    byte[] later = good.clone();
    ByteBuffer fields = ByteBuffer.wrap(later).order(ByteOrder.LITTLE_ENDIAN);
    fields.putShort(8, (short) 7).putInt(12, crc(later, 0, 12));
    assertEquals("has format version 7, and this Lockstep reads version 3", refusal(later));
    fields.putShort(8, (short) 1).putInt(12, crc(later, 0, 12));
    assertEquals("has format version 1, and this Lockstep reads version 3", refusal(later));
    byte[] other = "#!/bin/sh\nexec something else\n".getBytes(StandardCharsets.US_ASCII);
    assertTrue(refusal(other).startsWith("is not a Lockstep snapshot"), refusal(other));
    fields.putShort(8, (short) 3).putShort(10, (short) 1).putInt(12, crc(later, 0, 12));
    assertTrue(refusal(later).contains("reserved"), refusal(later));
  }

  @Test
  void aMachineThatThisHostCannotContinueIsRefusedWithTheReason() {
    MachineOrigin origin = state().origin();
    Cpuid same = origin.cpuid();
    assertEquals("", origin.complaint(new QuirkSet(true, false), same).orElse(""));
    assertEquals("", origin.complaint(QuirkSet.NONE, same).orElse(""), "more than it needs");
    assertTrue(origin.complaint(new QuirkSet(true, true), same).orElse("").contains("shim"));
    Cpuid other = new Cpuid(List.of(new Cpuid.Entry(0, 0, false, 7, 1, 2, 4)));
    assertTrue(origin.complaint(QuirkSet.NONE, other).orElse("").contains("another vendor"));
    Cpuid better =
        new Cpuid(List.of(same.entries().getFirst(), new Cpuid.Entry(1, 0, false, 0, 0, 3, 0)));
    assertEquals("", origin.complaint(QuirkSet.NONE, better).orElse(""), "a CPU that can do more");
    MachineOrigin demanding = new MachineOrigin(origin.config(), origin.quirks(), better, false);
    assertEquals(
        "needs CPU features that this host lacks: CPUID 1.ECX 00000003",
        demanding.complaint(QuirkSet.NONE, same).orElse(""));
  }
}
