/** Tests of the commands. */
@NullMarked
package lockstep.cli;

import org.jspecify.annotations.NullMarked;
