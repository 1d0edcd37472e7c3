/** Tests of the lab and tests that run in it. */
@NullMarked
package lockstep.testvms.lab;

import org.jspecify.annotations.NullMarked;
