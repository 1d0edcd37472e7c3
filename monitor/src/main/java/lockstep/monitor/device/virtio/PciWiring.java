package lockstep.monitor.device.virtio;

import lockstep.monitor.bus.DmaMemory;
import lockstep.monitor.bus.InterruptLine;

/**
 * What a machine connects a PCI device to.
 *
 * @param irq the interrupt request that {@code line} leads to, for the guest to read
 * @param line its interrupt pin
 * @param ram what it reaches by itself
 */
public record PciWiring(int irq, InterruptLine line, DmaMemory ram) {}
