/**
 * What all commands share: exit codes, error messages, options in a file, readers of option values,
 * JSON and tables on standard output.
 *
 * <p>Owning thread: none, values and functions. May import: kvm, sys, uapi. Start reading at {@link
 * lockstep.cli.common.CommandFailure}.
 */
@NullMarked
package lockstep.cli.common;

import org.jspecify.annotations.NullMarked;
