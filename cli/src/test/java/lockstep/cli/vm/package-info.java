/** Tests of what a running VM tells of itself. */
@NullMarked
package lockstep.cli.vm;

import org.jspecify.annotations.NullMarked;
