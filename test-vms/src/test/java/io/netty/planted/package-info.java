/** Planted violations of the rules for the package above; see lockstep.guards. */
@NullMarked
package io.netty.planted;

import org.jspecify.annotations.NullMarked;
