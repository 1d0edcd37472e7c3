package lockstep.storage;

import java.io.IOException;
import java.util.Optional;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
import lockstep.replay.ft.disk.Arbiter;
import lockstep.replay.ft.disk.Claimant;
import lockstep.storage.iscsi.IscsiAddress;
import lockstep.storage.iscsi.IscsiDisk;
import lockstep.storage.iscsi.IscsiSession;
import lockstep.storage.iscsi.IscsiTimes;
import lockstep.storage.scsi.PersistentReserve;
import lockstep.storage.scsi.Reservations;
import lockstep.storage.scsi.ScsiArbiter;
import lockstep.storage.scsi.ScsiTransport;
import org.jspecify.annotations.Nullable;

/**
 * A disk that is open here: its medium, the way to its SCSI unit if there is one, and what settles
 * who has it, where the disk itself can. Opening changes nothing on the disk. One thread opens and
 * closes it.
 */
public final class SharedDisk implements AutoCloseable {
  /** For each command of an arbiter; a unit that is up answers in milliseconds. */
  public static final int COMMAND_MILLIS = 5_000;

  /** One host, one path: whoever is not the holder may not write. */
  static final PersistentReserve.Type RESERVATION = PersistentReserve.Type.WRITE_EXCLUSIVE;

  /** The way to a unit. */
  private interface Way extends AutoCloseable {
    @Override
    void close() throws IOException;
  }

  private final BlockDevice medium;

  /** The medium, or what has its changes wait while the unit has forgotten whose it is. */
  private final BlockDevice reserved;

  private final Optional<ScsiTransport> unit;
  private final Optional<ScsiArbiter> arbiter;
  private final Optional<FileLease> lease;
  private final String whyNot;
  private final Way way;
  private @Nullable Claimant holder;

  private SharedDisk(
      BlockDevice medium,
      Optional<FileLease> lease,
      Optional<ScsiTransport> unit,
      Way way,
      Reserves reserves) {
    this.medium = medium;
    this.lease = lease;
    this.unit = unit;
    this.way = way;
    this.arbiter = reserves.arbiter();
    this.whyNot = reserves.whyNot();
    this.reserved = reserved(medium, reserves.arbiter());
  }

  private static BlockDevice reserved(BlockDevice medium, Optional<ScsiArbiter> arbiter) {
    // The session of an iSCSI disk has its requests wait itself.
    return medium instanceof BlockDisk && arbiter.isPresent()
        ? new LeasedDisk(medium, Tenure.of(arbiter.get(), "the device"))
        : medium;
  }

  private record Reserves(Optional<ScsiArbiter> arbiter, String whyNot) {
    static Reserves none(String whyNot) {
      return new Reserves(Optional.empty(), whyNot);
    }

    static Reserves of(ScsiTransport unit) throws IOException {
      Reservations reservations = new Reservations(unit, RESERVATION, COMMAND_MILLIS);
      Optional<String> refusal = reservations.refusal();
      return refusal.isPresent()
          ? none("its target refuses them: " + refusal.get())
          : new Reserves(Optional.of(new ScsiArbiter(unit, RESERVATION, COMMAND_MILLIS)), "");
    }
  }

  /**
   * Opens a disk.
   *
   * @param use who else of this host may have a block device open; an image of a pair is reached
   *     past this host's page cache
   * @throws IOException when it cannot be used; one line
   */
  public static SharedDisk open(DiskSpec disk, BlockDisk.Use use) throws IOException {
    return switch (disk) {
      case DiskSpec.File file ->
          new SharedDisk(
              FileDisk.open(file.path(), cache(use)),
              Optional.of(new FileLease(file.path())),
              Optional.empty(),
              () -> {},
              Reserves.none("it is a file"));
      case DiskSpec.Device device -> device(device, use);
      case DiskSpec.Iscsi iscsi -> iscsi(iscsi.address());
    };
  }

  private static FileDisk.HostCache cache(BlockDisk.Use use) {
    return switch (use) {
      case ALONE -> FileDisk.HostCache.USED;
      case PAIR -> FileDisk.HostCache.BYPASSED;
    };
  }

  private static SharedDisk device(DiskSpec.Device device, BlockDisk.Use use) throws IOException {
    BlockDisk medium = BlockDisk.open(device.path(), use);
    SgUnit unit;
    try {
      unit = SgUnit.open(device.path());
    } catch (IOException e) {
      return new SharedDisk(
          medium,
          Optional.empty(),
          Optional.empty(),
          () -> {},
          Reserves.none(String.valueOf(e.getMessage())));
    }
    try {
      return new SharedDisk(
          medium, Optional.empty(), Optional.of(unit), unit::close, Reserves.of(unit));
    } catch (IOException e) {
      try (unit) {
        medium.close();
      }
      throw e;
    }
  }

  private static SharedDisk iscsi(IscsiAddress address) throws IOException {
    IscsiSession session = IscsiSession.open(address, IscsiTimes.USUAL);
    try {
      Reserves reserves = Reserves.of(session);
      reserves
          .arbiter()
          .ifPresent(
              arbiter -> {
                session.greeting(arbiter::restore);
                arbiter.onDoubt(session::doubt);
              });
      return new SharedDisk(
          IscsiDisk.open(session),
          Optional.empty(),
          Optional.of(session),
          session::close,
          reserves);
    } catch (IOException e) {
      session.close();
      throw e;
    }
  }

  /** Takes a guest's requests, and has them wait where the disk does not; closed with this. */
  public BlockDevice requests() {
    return reserved;
  }

  /** The medium; closed with this. */
  public BlockDevice medium() {
    return medium;
  }

  /** The way to its SCSI unit, if it has one. */
  public Optional<ScsiTransport> unit() {
    return unit;
  }

  /** What settles who has it by persistent reservations; closed with this. */
  public Optional<ScsiArbiter> arbiter() {
    return arbiter;
  }

  /** Why there is no {@link #arbiter}: a phrase; empty when there is one. */
  public String whyNoReservations() {
    return whyNot;
  }

  /** What settles who has an image, and is not entered yet; empty for other disks. */
  public Optional<FileLease> lease() {
    return lease;
  }

  /**
   * This disk for a VM that runs alone: other VMs are kept from it until it is closed, and with it
   * all of this; by reservations where the disk has them, and on an image by its lease. A disk that
   * is only read is kept from nobody.
   *
   * @param self a VM that is in no pair
   * @throws IOException when another VM, or other software, has it; one line
   */
  public BlockDevice heldFor(Claimant self) throws IOException {
    if (medium.geometry().readOnly()) {
      return new Held(medium);
    }
    Optional<Arbiter> by = arbiter.<Arbiter>map(a -> a).or(() -> lease);
    if (by.isPresent()) {
      by.get().enter(self);
      holder = self;
    }
    return new Held(lease.<BlockDevice>map(held -> new LeasedDisk(medium, held)).orElse(reserved));
  }

  /**
   * Sets who is told the reason when another VM takes the disk that {@link #heldFor} took; told at
   * once if that has happened.
   *
   * @param told called on any thread, perhaps more than once; returns soon
   */
  public void onLoss(Consumer<String> told) {
    Optional<Tenure> tenure = arbiter.map(a -> Tenure.of(a, "the disk")).or(() -> lease);
    tenure.ifPresent(
        present -> {
          present.watch(standing -> tellLoss(present, told));
          tellLoss(present, told);
        });
  }

  private static void tellLoss(Tenure tenure, Consumer<String> told) {
    if (tenure.standing() == FileLease.Standing.LOST) {
      told.accept(tenure.lossReason());
    }
  }

  private final class Held implements BlockDevice {
    /** The medium, or what asks the lease first and closes the medium. */
    private final BlockDevice asked;

    Held(BlockDevice asked) {
      this.asked = asked;
    }

    @Override
    public Geometry geometry() {
      return medium.geometry();
    }

    @Override
    public void submit(BlockRequest request, Consumer<BlockResult> completion) {
      asked.submit(request, completion);
    }

    @Override
    public int depth() {
      return medium.depth();
    }

    @Override
    public void permit(WritePermit permit) {
      asked.permit(permit);
    }

    @Override
    public void dropCache() throws IOException {
      medium.dropCache();
    }

    @Override
    public void close() throws IOException {
      // Nothing more may reach the medium before the disk is given up.
      try (Way _ = SharedDisk.this::close) {
        if (asked != medium) {
          asked.close();
        }
      }
    }
  }

  /**
   * Waits for requests in flight, gives up what {@link #heldFor} took, and lets go of everything.
   *
   * @throws IOException when what was written may not be on the medium, or others still find the
   *     disk taken
   */
  @Override
  public void close() throws IOException {
    try (way;
        Way _ = this::release) {
      reserved.close();
    }
  }

  private void release() throws IOException {
    Optional<Arbiter> by = arbiter.<Arbiter>map(a -> a).or(() -> lease);
    if (by.isPresent()) {
      try (Arbiter last = by.get()) {
        if (holder != null) {
          last.leave(holder);
          holder = null;
        }
      }
    }
  }
}
