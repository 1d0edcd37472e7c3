/** Tests of runs, recordings and replays. */
@NullMarked
package lockstep.cli.run;

import org.jspecify.annotations.NullMarked;
