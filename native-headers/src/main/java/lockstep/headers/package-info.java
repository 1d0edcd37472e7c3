/**
 * Tools around {@code lockstep.uapi}: {@link lockstep.headers.Tidy} makes its sources from
 * jextract's output, {@link lockstep.headers.HeaderAudit} makes the C compiler compare them with
 * the host's headers.
 *
 * <p>Runs in the build only, on the thread that calls it, and reads {@code lockstep.uapi} mostly by
 * reflection. May import: uapi. Start reading at {@code native-headers/README.md}.
 */
@NullMarked
package lockstep.headers;

import org.jspecify.annotations.NullMarked;
