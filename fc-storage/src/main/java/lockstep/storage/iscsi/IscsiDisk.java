package lockstep.storage.iscsi;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import lockstep.monitor.block.BlockDevice;
import lockstep.monitor.block.BlockRequest;
import lockstep.monitor.block.BlockResult;
import lockstep.monitor.block.Geometry;
import lockstep.monitor.block.ReadData;
import lockstep.monitor.block.WritePermit;
import lockstep.monitor.state.Bytes;
import lockstep.storage.scsi.BlockCommands;
import lockstep.storage.scsi.ScsiReply;
import lockstep.storage.scsi.Sense;
import lockstep.storage.scsi.UnitFacts;
import org.jspecify.annotations.Nullable;

/**
 * A disk on an iSCSI target. A request that a target wants in smaller pieces, or that takes two
 * commands, is carried out one command after the other.
 */
public final class IscsiDisk implements BlockDevice {
  /** Requests in flight. */
  public static final int DEPTH = 32;

  private static final int INVALID_COMMAND = 0x2000;

  private final IscsiSession session;
  private final UnitFacts facts;
  private final Semaphore free = new Semaphore(DEPTH);
  private volatile WritePermit permit = WritePermit.ALWAYS;
  private volatile boolean closed;

  private IscsiDisk(IscsiSession session, UnitFacts facts) {
    this.session = session;
    this.facts = facts;
  }

  /**
   * Finds out what the unit is.
   *
   * @param session closed by whoever opened it, after this disk
   * @throws IOException when it is no disk, or gives no answer; one line
   */
  public static IscsiDisk open(IscsiSession session) throws IOException {
    return new IscsiDisk(session, UnitFacts.of(session));
  }

  /** What the unit says of itself. */
  public UnitFacts facts() {
    return facts;
  }

  @Override
  public Geometry geometry() {
    return facts.geometry();
  }

  @Override
  public int depth() {
    return DEPTH;
  }

  @Override
  public void submit(BlockRequest request, Consumer<BlockResult> completion) {
    check(request);
    if (closed || !free.tryAcquire()) {
      throw new IllegalStateException(
          closed ? session.name() + " is closed" : DEPTH + " requests are in flight");
    }
    new Running(request, completion).next();
  }

  @Override
  public void permit(WritePermit now) {
    permit = now;
  }

  @Override
  public void dropCache() {
    // This host has none: libiscsi reads from the unit.
  }

  private void check(BlockRequest request) {
    switch (request) {
      case BlockRequest.Read read -> check(read.offsetBytes(), read.lengthBytes());
      case BlockRequest.Write write -> {
        check(write.offsetBytes(), write.data().size());
        if (geometry().readOnly()) {
          throw new IllegalArgumentException(session.name() + " is read-only");
        }
      }
      case BlockRequest.Flush _ -> {
        // Always fits.
      }
      case BlockRequest.Discard discard -> {
        check(discard.offsetBytes(), discard.lengthBytes());
        if (!geometry().canDiscard()) {
          throw new IllegalArgumentException(session.name() + " cannot discard");
        }
      }
    }
  }

  private void check(long offset, long length) {
    Geometry geometry = geometry();
    if ((offset | length) % geometry.blockBytes() != 0
        || offset > geometry.capacityBytes() - length) {
      throw new IllegalArgumentException(
          "%s: %d bytes at %d".formatted(session.name(), length, offset));
    }
  }

  /** A request on its way: one command at a time. */
  private final class Running implements ScsiCommand.Answer {
    private final BlockRequest request;
    private final Consumer<BlockResult> completion;
    private final Bytes[] parts;
    private ReadData.@Nullable Lent lent;
    private long doneBlocks;
    private int doneParts;
    private int foundBytes;
    private boolean flushing;

    Running(BlockRequest request, Consumer<BlockResult> completion) {
      this.request = request;
      this.completion = completion;
      long blocks =
          request instanceof BlockRequest.Read read
              ? read.lengthBytes() / geometry().blockBytes()
              : 0;
      this.parts = new Bytes[(int) ((blocks + facts.maxBlocks() - 1) / facts.maxBlocks())];
    }

    void next() {
      if (!maySend()) {
        notSent();
        return;
      }
      int block = geometry().blockBytes();
      switch (request) {
        case BlockRequest.Read read -> {
          int blocks = (int) Math.min(read.lengthBytes() / block - doneBlocks, facts.maxBlocks());
          long at = read.offsetBytes() / block + doneBlocks;
          doneBlocks += blocks;
          send(BlockCommands.transfer(false, false, at, blocks), Bytes.empty(), blocks * block);
        }
        case BlockRequest.Write write -> {
          int blocks = (int) Math.min(write.data().size() / block - doneBlocks, facts.maxBlocks());
          long at = write.offsetBytes() / block + doneBlocks;
          Bytes data = write.data();
          if (blocks * block < data.size()) {
            data = Bytes.copyOf(data.asBuffer().slice((int) doneBlocks * block, blocks * block));
          }
          doneBlocks += blocks;
          send(BlockCommands.transfer(true, write.fua() && facts.fua(), at, blocks), data, 0);
        }
        case BlockRequest.Flush _ -> flush();
        case BlockRequest.Discard discard -> {
          int blocks =
              (int) Math.min(discard.lengthBytes() / block - doneBlocks, facts.maxUnmapBlocks());
          long at = discard.offsetBytes() / block + doneBlocks;
          doneBlocks += blocks;
          send(BlockCommands.unmap(), BlockCommands.unmapRange(at, blocks), 0);
        }
      }
    }

    private void flush() {
      flushing = true;
      send(BlockCommands.synchronizeCache(), Bytes.empty(), 0);
    }

    private void send(Bytes cdb, Bytes out, int inBytes) {
      // Each of its commands has its own time: how long the former one was held says nothing.
      session.submit(new ScsiCommand(cdb, out, inBytes, true, session.requestDeadline(), this));
    }

    @Override
    public Bytes found(ByteBuffer data) {
      foundBytes = data.remaining();
      if (parts.length == 1) {
        lent = new ReadData.Lent(data);
      } else {
        parts[doneParts] = Bytes.copyOf(data);
      }
      return Bytes.empty();
    }

    @Override
    public boolean maySend() {
      return !request.changes() || permit.now() == WritePermit.Answer.START;
    }

    @Override
    public void notSent() {
      end(new BlockResult.NotStarted(request.id()));
    }

    @Override
    public void replied(ScsiReply reply) {
      if (reply.conflict()) {
        end(new BlockResult.Fenced(request.id(), session.name() + " is reserved for another host"));
      } else if (flushing && noCache(reply)) {
        end(new BlockResult.Done(request.id(), data()));
      } else if (!reply.good()) {
        end(new BlockResult.Failed(request.id(), session.name() + ": " + reply.text()));
      } else if (request instanceof BlockRequest.Read && !isWhole()) {
        end(new BlockResult.Failed(request.id(), session.name() + ": a read was cut short"));
      } else if (remains()) {
        next();
      } else if (!flushing
          && request instanceof BlockRequest.Write write
          && write.fua()
          && !facts.fua()) {
        flush();
      } else {
        end(new BlockResult.Done(request.id(), data()));
      }
    }

    /** A disk without a cache need not know how to flush it. */
    private boolean noCache(ScsiReply reply) {
      return reply.sense().key() == Sense.ILLEGAL_REQUEST
          && reply.sense().code() == INVALID_COMMAND;
    }

    private boolean isWhole() {
      long before = (long) doneParts * facts.maxBlocks();
      doneParts++;
      return foundBytes == (doneBlocks - before) * geometry().blockBytes();
    }

    private boolean remains() {
      int block = geometry().blockBytes();
      return switch (request) {
        case BlockRequest.Read read -> doneBlocks * block < read.lengthBytes();
        case BlockRequest.Write write -> doneBlocks * block < write.data().size();
        case BlockRequest.Flush _ -> false;
        case BlockRequest.Discard discard -> doneBlocks * block < discard.lengthBytes();
      };
    }

    private ReadData data() {
      if (lent != null) {
        return lent;
      }
      int size = 0;
      for (Bytes part : parts) {
        size += part.size();
      }
      return new ReadData.Kept(
          Bytes.filledBy(
              size,
              all -> {
                ByteBuffer into = ByteBuffer.wrap(all);
                for (Bytes part : parts) {
                  part.putInto(into);
                }
              }));
    }

    @Override
    public void lost(IOException why) {
      end(new BlockResult.Failed(request.id(), String.valueOf(why.getMessage())));
    }

    private void end(BlockResult result) {
      free.release();
      completion.accept(result);
      if (lent != null) {
        lent.takeBack();
      }
    }
  }

  @Override
  public void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    try {
      if (!free.tryAcquire(
          DEPTH, session.patienceMillis(), java.util.concurrent.TimeUnit.MILLISECONDS)) {
        throw new IOException(session.name() + ": requests did not end in time");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return;
    }
    if (!geometry().readOnly() && permit.now() != WritePermit.Answer.DROP) {
      ScsiReply reply =
          session.execute(
              BlockCommands.synchronizeCache(), Bytes.empty(), 0, session.patienceMillis());
      if (reply.status() == ScsiReply.CHECK_CONDITION
          && reply.sense().key() != Sense.ILLEGAL_REQUEST
          && !reply.attention()) {
        throw new IOException(session.name() + ": last flush: " + reply.text());
      }
    }
  }
}
