package lockstep.monitor;

import lockstep.monitor.device.CmosRtc;

/**
 * Writes down the amount of RAM in the CMOS where a PC's firmware leaves it: 0x15 base memory and
 * 0x17, 0x30 extended memory in KiB, 0x34 memory above 16 MiB in units of 64 KiB. Source: Ralf
 * Brown's CMOS memory map, registers 15h-18h and 30h-35h.
 */
final class CmosMemorySize {
  private static final int BASE_KIB = 640;
  private static final int MAX = 0xffff;
  private static final long MIB = 1L << 20;

  private CmosMemorySize() {}

  static void write(CmosRtc rtc, long memoryBytes) {
    long low = Math.min(memoryBytes, MachineLayout.LOW_RAM_LIMIT);
    int extendedKib = Math.clamp((low - MIB) >> 10, 0, MAX);
    int above16Mib = Math.clamp((low - 16 * MIB) >> 16, 0, MAX);
    put(rtc, 0x15, BASE_KIB);
    put(rtc, 0x17, extendedKib);
    put(rtc, 0x30, extendedKib);
    put(rtc, 0x34, above16Mib);
  }

  private static void put(CmosRtc rtc, int register, int value) {
    rtc.preset(register, value & 0xff);
    rtc.preset(register + 1, value >>> 8);
  }
}
