/**
 * The one way out: what a guest shows to the world leaves through an {@link
 * lockstep.monitor.output.OutputSink}, so that the Output Rule has one place to stand.
 *
 * <p>Owning thread: called on {@code vcpu-0}. May import: monitor.block. Start reading at {@link
 * lockstep.monitor.output.OutputSink}.
 */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.output;
