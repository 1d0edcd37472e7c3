/** Tests of what the vCPU loop decides without a KVM. Start reading at {@code StepKindTest}. */
@org.jspecify.annotations.NullMarked
package lockstep.monitor.vcpu;
