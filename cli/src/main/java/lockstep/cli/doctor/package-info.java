/**
 * {@code lockstep doctor}: what this host and its KVM honour.
 *
 * <p>Owning thread: main. May import: cli.common, cli.run, kvm, monitor.probe, monitor.quirk,
 * storage.ffi.disk, sys, uapi. Start reading at {@link lockstep.cli.doctor.DoctorCommand}.
 */
@NullMarked
package lockstep.cli.doctor;

import org.jspecify.annotations.NullMarked;
