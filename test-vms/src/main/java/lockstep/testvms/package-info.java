/**
 * The guests that come with Lockstep: small programs that each try one part of the machine, with
 * what they should print.
 *
 * <p>Owning thread: none, all values are immutable. May import: cli.guest, monitor.boot. Start
 * reading at {@link lockstep.testvms.Guests}; the programs are in {@code src/main/guests}.
 */
@NullMarked
package lockstep.testvms;

import org.jspecify.annotations.NullMarked;
