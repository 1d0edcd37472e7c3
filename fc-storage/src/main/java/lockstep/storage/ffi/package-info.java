/**
 * The C libraries that storage calls, each behind one class that knows their addresses: libiscsi.
 *
 * <p>Owning thread: a context, its buffers and its waiting place are used by one thread. May
 * import: sys, uapi. Start reading at {@link lockstep.storage.ffi.IscsiContext}.
 */
@NullMarked
package lockstep.storage.ffi;

import org.jspecify.annotations.NullMarked;
