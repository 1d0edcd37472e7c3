/**
 * The guests that come with Lockstep, as another module provides them on the class path.
 *
 * <p>Owning thread: none, all values are immutable. May import: monitor.boot. Start reading at
 * {@link lockstep.cli.guest.GuestCatalog}.
 */
@NullMarked
package lockstep.cli.guest;

import org.jspecify.annotations.NullMarked;
