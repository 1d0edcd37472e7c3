/** Tests of the guests, on a machine that is not ours and on Lockstep. */
@NullMarked
package lockstep.testvms;

import org.jspecify.annotations.NullMarked;
