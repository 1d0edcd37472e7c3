package lockstep.testvms;

/** What befalls a {@link FaultyPair}. */
enum Fault {
  PRIMARY_KILLED(Effect.LOSS),
  BACKUP_KILLED(Effect.LOSS),
  PRIMARY_STOPPED_FOR_A_WHILE(Effect.LOSS),
  BACKUP_STOPPED_FOR_A_WHILE(Effect.LOSS),
  /** Shorter than the time-out: the primary's outputs wait, and nothing else happens. */
  BACKUP_STOPPED_BRIEFLY(Effect.PASSES),
  CHANNEL_CUT(Effect.PASSES),
  CHANNEL_CUT_BRIEFLY(Effect.PASSES),
  CHANNEL_SLOW(Effect.PASSES),
  /** The primary dies while the disk's test-and-set cannot be reached. */
  DISK_GONE_AND_PRIMARY_KILLED(Effect.LOSS),
  /** Nobody reaches anybody. */
  DISK_GONE_AND_CHANNEL_CUT(Effect.LOSS),
  /** As when the host of the primary shuts down. */
  PRIMARY_TERMINATED(Effect.LEAVES),
  /** A target that forgets all reservations, and an old primary that wakes up after that. */
  TARGET_RESTARTED_BEFORE_PRIMARY_WAKES_UP(Effect.LOSS),
  /** A planned failover that the disk holds up for too long; later the primary dies. */
  FAILOVER_GIVEN_UP_AND_PRIMARY_KILLED(Effect.LOSS),
  /** Every call of KVM for the vCPU fails. */
  PRIMARY_KVM_FAILS(Effect.DAMAGE),
  BACKUP_KVM_FAILS(Effect.DAMAGE),
  /** The thread stays where it is, and all the others of the process go on. */
  PRIMARY_VCPU_HELD(Effect.DAMAGE),
  BACKUP_VCPU_HELD(Effect.DAMAGE),
  /** An Error is thrown in the thread, wherever it is. */
  PRIMARY_VCPU_ERROR(Effect.DAMAGE),
  BACKUP_VCPU_ERROR(Effect.DAMAGE);

  final Effect effect;

  Fault(Effect effect) {
    this.effect = effect;
  }

  /** What is left when it is over. */
  enum Effect {
    /** One of the two sides. */
    LOSS,
    /** One, whose other side may be unable to end as it should. */
    DAMAGE,
    /** One, whose other side has ended by itself. */
    LEAVES,
    /** One or both. */
    PASSES
  }
}
