/**
 * The one door for external inputs. Everything that the guest's next state depends on beside its
 * present state comes through {@link lockstep.monitor.input.InputSource}: recording, replaying and
 * running unprotected differ only in which source is plugged in.
 *
 * <p>Owning thread: an InputSource belongs to {@code vcpu-0}; only {@code InputQueue} and {@code
 * VcpuHandle} are for other threads. May import: monitor.block, monitor.state, sys. Start reading
 * at {@link lockstep.monitor.input.InputSource}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.input;
