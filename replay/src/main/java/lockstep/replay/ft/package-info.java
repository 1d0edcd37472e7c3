/**
 * Fault tolerance (VM-FT, sections 2.2 to 2.4): the Output Rule, failure detection, arbitration and
 * going live. What decides is pure: it is told what happened and when, and says what to do, so that
 * a simulation can run it unchanged.
 *
 * <p>Owning thread: said by each class. May import: lockstep.replay.log, lockstep.monitor. Start
 * reading at {@link lockstep.replay.ft.Arbiter}.
 */
@NullMarked
package lockstep.replay.ft;

import org.jspecify.annotations.NullMarked;
