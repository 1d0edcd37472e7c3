package lockstep.monitor.state;

/**
 * Marks the State record of a device: everything that a device's future depends on beside its
 * inputs. Implementations are records whose components {@code StateCodec} knows: {@code boolean},
 * {@code int}, {@code long}, {@link Bytes}, enums, nested state records and {@code List}s of them.
 */
public interface DeviceState {}
