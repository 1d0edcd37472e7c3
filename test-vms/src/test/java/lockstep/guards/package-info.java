/**
 * Tests of the build's own guards: the architecture rules, the words that are replaced in pages and
 * messages, and that each guard fails on a planted violation. The planted classes are in packages
 * named {@code planted} below the package whose rule they break.
 *
 * <p>Owning thread: the test's. May import: everything. Start reading at {@link
 * lockstep.guards.ArchitectureTest}.
 */
@NullMarked
package lockstep.guards;

import org.jspecify.annotations.NullMarked;
