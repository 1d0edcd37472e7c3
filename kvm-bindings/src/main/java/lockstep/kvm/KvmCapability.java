package lockstep.kvm;

import lockstep.uapi.kvm_h;

/**
 * What a KVM may or may not be able to do, as far as this project cares. Source: Linux,
 * Documentation/virt/kvm/api.rst, sections 4 and 6 to 8.
 */
public enum KvmCapability {
  USER_MEMORY(kvm_h.KVM_CAP_USER_MEMORY, true),
  IMMEDIATE_EXIT(kvm_h.KVM_CAP_IMMEDIATE_EXIT, true),
  VCPU_EVENTS(kvm_h.KVM_CAP_VCPU_EVENTS, true),
  DEBUGREGS(kvm_h.KVM_CAP_DEBUGREGS, true),
  MP_STATE(kvm_h.KVM_CAP_MP_STATE, true),
  /** MSR accesses can leave to us instead of raising #GP. */
  X86_USER_SPACE_MSR(kvm_h.KVM_CAP_X86_USER_SPACE_MSR, true),
  X86_MSR_FILTER(kvm_h.KVM_CAP_X86_MSR_FILTER, true),
  XSAVE(kvm_h.KVM_CAP_XSAVE, false),
  XCRS(kvm_h.KVM_CAP_XCRS, false),
  SET_TSS_ADDR(kvm_h.KVM_CAP_SET_TSS_ADDR, false),
  SET_IDENTITY_MAP_ADDR(kvm_h.KVM_CAP_SET_IDENTITY_MAP_ADDR, false),
  INTERNAL_ERROR_DATA(kvm_h.KVM_CAP_INTERNAL_ERROR_DATA, false),
  SET_GUEST_DEBUG(kvm_h.KVM_CAP_SET_GUEST_DEBUG, false),
  /** The value is the set of KVM_GUESTDBG_* flags. */
  SET_GUEST_DEBUG2(kvm_h.KVM_CAP_SET_GUEST_DEBUG2, false),
  MANUAL_DIRTY_LOG_PROTECT2(kvm_h.KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, false),
  DIRTY_LOG_RING(kvm_h.KVM_CAP_DIRTY_LOG_RING, false),
  GET_TSC_KHZ(kvm_h.KVM_CAP_GET_TSC_KHZ, false),
  /** The value is how many memory slots a VM can have. */
  NR_MEMSLOTS(kvm_h.KVM_CAP_NR_MEMSLOTS, false);

  private final int number;
  private final boolean required;

  KvmCapability(int number, boolean required) {
    this.number = number;
    this.required = required;
  }

  /** KVM_CAP_*. */
  public int number() {
    return number;
  }

  /** Whether no machine can be built without it. */
  public boolean required() {
    return required;
  }
}
