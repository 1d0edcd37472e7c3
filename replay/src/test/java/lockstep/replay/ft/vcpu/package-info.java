@NullMarked
package lockstep.replay.ft.vcpu;

import org.jspecify.annotations.NullMarked;
