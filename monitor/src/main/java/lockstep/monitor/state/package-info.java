/**
 * Values that machine state is made of: {@code DeviceState} records, immutable {@code Bytes}, and
 * the codec that turns a state record into bytes for digests, snapshots and state transfer.
 *
 * <p>Owning thread: all types are immutable. May import: nothing. Start reading at {@code
 * StateCodec}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.state;
