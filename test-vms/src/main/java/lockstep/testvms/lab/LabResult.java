package lockstep.testvms.lab;

import java.time.Duration;

/**
 * How a command in the lab ended.
 *
 * @param exitCode its exit code, 0 to 255
 * @param console what it wrote to the console, the boot messages before it left out
 * @param booting from the start of QEMU to the start of the command
 * @param running from the start of the command to the end of QEMU
 */
public record LabResult(int exitCode, String console, Duration booting, Duration running) {}
