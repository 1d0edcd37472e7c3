package lockstep.storage;

import java.io.IOException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.WritePermit;
import lockstep.storage.ffi.disk.DiskEngine;
import lockstep.storage.ffi.disk.Medium;
import lockstep.sys.SysException;

/** What disks behind a descriptor of this kernel have in common: checks, bounds, the end. */
abstract sealed class NativeDisk implements BlockDevice permits BlockDisk, FileDisk {
  /** Enough to keep a device busy; a guest's queue has room for 128 requests. */
  static final int DEPTH = 32;

  /** Linux gives a device 30 seconds before it resets it. */
  private static final long CLOSE_SECONDS = 40;

  /** Starts an engine on an open medium. */
  @FunctionalInterface
  interface EngineChoice {
    /** Starts it. */
    DiskEngine start(Medium medium) throws SysException;
  }

  private final Medium medium;
  private final Geometry geometry;
  private final DiskEngine engine;
  private final Semaphore free = new Semaphore(DEPTH);
  private volatile boolean closed;

  /** Takes over medium and engine. */
  NativeDisk(Medium medium, Geometry geometry, DiskEngine engine) {
    this.medium = medium;
    this.geometry = geometry;
    this.engine = engine;
  }

  @Override
  public final Geometry geometry() {
    return geometry;
  }

  @Override
  public final int depth() {
    return DEPTH;
  }

  /** How requests are carried out, for people. */
  public final String engine() {
    return engine.name();
  }

  @Override
  public final void submit(BlockRequest request, Consumer<BlockResult> completion) {
    check(request);
    if (!free.tryAcquire()) {
      throw new IllegalStateException(
          medium.subject() + (closed ? " is closed" : ": " + DEPTH + " requests are in flight"));
    }
    if (closed) {
      free.release();
      throw new IllegalStateException(medium.subject() + " is closed");
    }
    engine.start(
        request,
        result -> {
          free.release();
          completion.accept(result);
        });
  }

  private void check(BlockRequest request) {
    switch (request) {
      case BlockRequest.Read read -> check(read.offsetBytes(), read.lengthBytes());
      case BlockRequest.Write write -> {
        check(write.offsetBytes(), write.data().size());
        checkWritable();
      }
      case BlockRequest.Flush _ -> {
        // Always fits.
      }
      case BlockRequest.Discard discard -> {
        check(discard.offsetBytes(), discard.lengthBytes());
        checkWritable();
        if (!geometry.canDiscard()) {
          throw new IllegalArgumentException(medium.subject() + " cannot discard");
        }
      }
    }
  }

  private void checkWritable() {
    if (geometry.readOnly()) {
      throw new IllegalArgumentException(medium.subject() + " is read-only");
    }
  }

  private void check(long offset, long length) {
    // The sum does not overflow: requests check that.
    if ((offset | length) % geometry.blockBytes() != 0
        || offset + length > geometry.capacityBytes()) {
      throw new IllegalArgumentException(
          "%s: %d bytes at %d".formatted(medium.subject(), length, offset));
    }
  }

  @Override
  public final void permit(WritePermit permit) {
    medium.permit().become(permit);
  }

  @Override
  public final void dropCache() throws IOException {
    try {
      medium.dropCache();
    } catch (SysException e) {
      throw new IOException(String.valueOf(e.getMessage()), e);
    }
  }

  private void awaitRequests() throws IOException {
    try {
      if (!free.tryAcquire(DEPTH, CLOSE_SECONDS, TimeUnit.SECONDS)) {
        throw new IOException(medium.subject() + ": requests did not end in time");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(medium.subject() + ": interrupted before its requests ended", e);
    }
  }

  @Override
  public final void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    // When requests do not end, their descriptor stays open: its number must not become another's.
    awaitRequests();
    engine.close();
    try {
      if (!geometry.readOnly() && medium.permit().now() != WritePermit.Answer.DROP) {
        medium.flush();
      }
    } catch (SysException e) {
      throw new IOException(e.getMessage() + "; what was written may be lost", e);
    } finally {
      medium.fds().close();
    }
  }
}
