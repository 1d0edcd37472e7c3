/** Tests of the guest's console. */
@NullMarked
package lockstep.cli.console;

import org.jspecify.annotations.NullMarked;
