package lockstep.testvms.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Hosts that load their modules in a fixed order do not come up with the next kernel. */
final class KernelModulesTest {
  private static final int HEADER_BYTES = 64;
  private static final int ENTRY_BYTES = 64;

  @TempDir private Path directory = Path.of("");

  /** Debian's 6.1.192-3 and the version before it, in which neither needed the other. */
  @Test
  void moduleComesAfterWhatItNeedsWhicheverWayTheKernelHasIt() throws Exception {
    module("drivers/virtio/virtio.ko", "virtio_ring");
    module("drivers/virtio/virtio_ring.ko", "");
    module("drivers/net/virtio_net.ko", "virtio_ring,virtio");
    KernelModules modules = new KernelModules(directory);
    assertEquals(
        List.of("virtio_ring.ko", "virtio.ko", "virtio_net.ko"), loadOrder(modules, "virtio_net"));
    module("drivers/virtio/virtio.ko", "");
    module("drivers/virtio/virtio_ring.ko", "virtio");
    assertEquals(
        List.of("virtio.ko", "virtio_ring.ko", "virtio_net.ko"), loadOrder(modules, "virtio_net"));
  }

  /** modprobe(8) loads from the end of the line. */
  @Test
  void modulesDepNamesAllThatIsNeededTheFirstToLoadLast() throws Exception {
    module("arch/x86/kvm/kvm-amd.ko", "kvm");
    module("arch/x86/kvm/kvm.ko", "irqbypass");
    module("virt/lib/irqbypass.ko", "");
    assertEquals(
        """
        kernel/virt/lib/irqbypass.ko:
        kernel/arch/x86/kvm/kvm.ko: kernel/virt/lib/irqbypass.ko
        kernel/arch/x86/kvm/kvm-amd.ko: kernel/arch/x86/kvm/kvm.ko kernel/virt/lib/irqbypass.ko
        """,
        new KernelModules(directory).dependencies(List.of("kvm_amd")));
  }

  @Test
  void errorSaysWhichModuleIsMissingAndForWhat() throws Exception {
    module("fs/nfsd/nfsd.ko", "sunrpc");
    Files.createDirectories(directory.resolve("kernel/net"));
    Files.write(directory.resolve("kernel/net/sunrpc.ko.xz"), new byte[] {1});
    KernelModules modules = new KernelModules(directory);
    LabException e = assertThrows(LabException.class, () -> modules.closure(List.of("nfsd")));
    String message = String.valueOf(e.getMessage());
    assertTrue(message.contains("sunrpc, which nfsd needs"), message);
    assertTrue(message.contains("sunrpc.ko.xz is compressed"), message);
  }

  @Test
  void fileThatIsNoModuleIsNamed() throws Exception {
    module("a.ko", "");
    Files.writeString(directory.resolve("kernel/a.ko"), "not ELF");
    KernelModules modules = new KernelModules(directory);
    LabException e = assertThrows(LabException.class, () -> modules.closure(List.of("a")));
    assertTrue(String.valueOf(e.getMessage()).contains("a.ko is not a kernel module"), e::toString);
  }

  @Test
  void modulesThatNeedEachOtherAreRefused() throws Exception {
    module("a.ko", "b");
    module("b.ko", "a");
    KernelModules modules = new KernelModules(directory);
    assertThrows(LabException.class, () -> modules.closure(List.of("a")));
  }

  private static List<String> loadOrder(KernelModules modules, String name) throws Exception {
    return modules.closure(List.of(name)).stream()
        .map(path -> String.valueOf(path.getFileName()))
        .toList();
  }

  /** An ELF file with the two sections that count, as the kernel's build leaves them. */
  private void module(String name, String depends) throws IOException {
    byte[] names = "\0.modinfo\0.shstrtab\0".getBytes(StandardCharsets.US_ASCII);
    byte[] info =
        ("license=GPL\0depends=" + depends + "\0name=x\0").getBytes(StandardCharsets.US_ASCII);
    int infoAt = HEADER_BYTES + names.length;
    int table = infoAt + info.length;
    ByteBuffer elf = ByteBuffer.allocate(table + 3 * ENTRY_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    elf.put(new byte[] {0x7f, 'E', 'L', 'F', 2});
    elf.putLong(0x28, table).putShort(0x3a, (short) ENTRY_BYTES).putShort(0x3c, (short) 3);
    elf.putShort(0x3e, (short) 2);
    elf.put(HEADER_BYTES, names).put(infoAt, info);
    int first = table + ENTRY_BYTES;
    elf.putInt(first, 1).putLong(first + 0x18, infoAt).putLong(first + 0x20, info.length);
    int second = first + ENTRY_BYTES;
    elf.putInt(second, 10)
        .putLong(second + 0x18, HEADER_BYTES)
        .putLong(second + 0x20, names.length);
    Path file = directory.resolve("kernel").resolve(name);
    Files.createDirectories(file.getParent());
    Files.write(file, elf.array());
  }
}
