/**
 * The emulated devices: pure state machines. A device is given its interrupt line, clock, timer and
 * sink; it knows no bus, file descriptor, thread or role. Each has a State record and a test.
 *
 * <p>Owning thread: {@code vcpu-0}. May import: monitor.bus, monitor.input, monitor.output,
 * monitor.state. Start reading at {@link lockstep.monitor.device.Device}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.device;
