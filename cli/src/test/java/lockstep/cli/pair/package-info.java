/** Tests of the two sides of a pair. */
@NullMarked
package lockstep.cli.pair;

import org.jspecify.annotations.NullMarked;
