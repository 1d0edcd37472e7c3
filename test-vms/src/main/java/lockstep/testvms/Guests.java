package lockstep.testvms;

import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import lockstep.testvms.Guest.Format;

/** The one table of the freestanding guests. */
public final class Guests {
  private static final List<Guest> ALL =
      List.of(
          new Guest(
              "hello",
              "16-bit real mode: prints a line through the UART and stops",
              "/lockstep/guests/hello.bin",
              Format.FLAT16,
              2,
              "",
              Pattern.compile("^hello from 16-bit real mode\n$"),
              0),
          new Guest(
              "ticks",
              "timer interrupts into a loop that makes no exits; prints both counts",
              "/lockstep/guests/ticks.elf",
              Format.MULTIBOOT,
              8,
              "",
              Pattern.compile("^ticks: 20 timer interrupts, [1-9][0-9]* turns of the loop\n$"),
              0),
          new Guest(
              "compute",
              "the same hash over memory in kernel and in user mode",
              "/lockstep/guests/compute.elf",
              Format.MULTIBOOT,
              16,
              "",
              Pattern.compile(
                  """
                  ^compute: CPL0 hash 4152d89e750058df
                  compute: CPL3 hash 4152d89e750058df
                  compute: equal
                  $"""),
              0),
          new Guest(
              "echo",
              "a console on receive interrupts: answers lines in capitals, quit or exit N ends",
              "/lockstep/guests/echo.elf",
              Format.MULTIBOOT,
              8,
              "hello, lockstep\rexit 7\r",
              Pattern.compile(
                  """
                  ^echo: type a line; quit or exit N ends
                  > hello, lockstep
                  HELLO, LOCKSTEP
                  > exit 7
                  $"""),
              7),
          new Guest(
              "memory",
              "touches every page of RAM in the memory map; prints amount and checksum",
              "/lockstep/guests/memory.elf",
              Format.MULTIBOOT,
              64,
              "",
              Pattern.compile(
                  "^memory: [1-9][0-9]* KiB touched, [1-9][0-9]* KiB in use,"
                      + " checksum [0-9a-f]{16}, 0 wrong words\n$"),
              0),
          new Guest(
              "disk",
              "writes numbered blocks to a virtio disk and reads them back; says if there is none",
              "/lockstep/guests/disk.elf",
              Format.MULTIBOOT,
              8,
              "",
              Pattern.compile("^disk: (no disk|64 blocks written and read back, 0 wrong words)\n$"),
              0),
          new Guest(
              "bank",
              "numbered transactions, each printed when it is on a virtio disk; q ends it",
              "/lockstep/guests/bank.elf",
              Format.MULTIBOOT,
              8,
              "q",
              Pattern.compile("^bank: (no disk|open\nbank: 1\nbank: closed)\n$"),
              0),
          new Guest(
              "ports",
              "wild accesses to random ports and addresses, which the monitor must survive",
              "/lockstep/guests/ports.elf",
              Format.MULTIBOOT,
              8,
              "",
              Pattern.compile("\nports: survived [0-9]+ accesses with seed [0-9]+\n$"),
              0));

  private Guests() {}

  /** All guests, simplest first. */
  public static List<Guest> all() {
    return ALL;
  }

  /** The guest of that name. */
  public static Optional<Guest> find(String name) {
    return ALL.stream().filter(guest -> guest.name().equals(name)).findFirst();
  }
}
