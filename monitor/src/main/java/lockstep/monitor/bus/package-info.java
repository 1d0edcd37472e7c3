/**
 * The port and MMIO buses: they route a guest access to the device that claimed the address, and
 * answer all ones (and count) where nobody did.
 *
 * <p>Owning thread: {@code vcpu-0}. May import: nothing. Start reading at {@code PortBus}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.bus;
