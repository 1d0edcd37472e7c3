/** Tests of the control socket. */
@NullMarked
package lockstep.cli.control;

import org.jspecify.annotations.NullMarked;
