package lockstep.cli;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Map;
import lockstep.replay.ft.Claimant;
import lockstep.replay.ft.FtEvent;
import lockstep.replay.ft.FtSession;
import lockstep.replay.ft.FtStatus;
import lockstep.replay.ft.OutputWaits;
import picocli.CommandLine.TypeConversionException;

/** What users may ask of one side of a pair while it runs. */
final class PairControl extends VmControl {
  private final PairRun run;

  /**
   * @param name what this process is called here
   */
  PairControl(String name, PairRun run) {
    super(name, run.console(), run.queue());
    this.run = run;
  }

  @Override
  void addStatus(Map<String, Object> fields) {
    FtStatus status = run.node().status();
    FtStatus.Transfer transfer = status.transfer();
    boolean here = status.side() == Claimant.Side.PRIMARY;
    fields.put("role", here ? "primary" : "backup");
    fields.put("state", status.state().name());
    fields.put("paused", run.vm().isPaused());
    fields.put("vm", status.vm());
    fields.put("epoch", status.epoch());
    fields.put("peer", status.peer());
    fields.put("log_entries", transfer.entries());
    fields.put("acknowledged_entries", transfer.acknowledgedEntries());
    fields.put("replayed_entries", transfer.replayedEntries());
    fields.put(here ? "sent_bytes" : "received_bytes", transfer.channelBytes());
    fields.put("bandwidth_bytes_per_second", run.bandwidth().bytesPerSecond());
    if (status.state() == FtSession.State.PROTECTED) {
      // Only acknowledgements tell it.
      fields.put("lag_ms", transfer.lagNanos() / 1_000_000);
    }
    if (status.state() == FtSession.State.PAIRING) {
      fields.put("transfer_percent", run.vm().transferPercent());
    }
    OutputWaits.Summary waits = run.waits().summary();
    if (waits.count() > 0) {
      fields.put("outputs_waited", waits.count());
      fields.put("output_wait_p50_us", waits.p50Nanos() / 1_000);
      fields.put("output_wait_p99_us", waits.p99Nanos() / 1_000);
    }
    run.vm()
        .lastTransfer()
        .ifPresent(report -> fields.put("last_transfer_stood_us", report.stoodNanos() / 1_000));
    run.vm()
        .lastFailover()
        .ifPresent(
            at -> {
              fields.put("last_failover", at.toString());
              fields.put("last_failover_ms", at.toEpochMilli());
            });
  }

  @Override
  void pause() throws IOException {
    needTheVm("pause");
    run.vm().pause();
  }

  @Override
  void resume() throws IOException {
    needTheVm("resume");
    run.vm().resume();
  }

  @Override
  void stop() {
    boolean unused = run.stop();
  }

  @Override
  void snapshot(SnapshotFile file) throws IOException, CommandFailure, InterruptedException {
    needTheVm("snapshot");
    run.snapshot(file);
  }

  @Override
  void others(String command, Map<String, Object> request)
      throws IOException, InterruptedException {
    switch (command) {
      case "failover" -> {
        need(FtSession.State.PROTECTED, command);
        if (run.vm().isPaused()) {
          throw new IOException("failover: the VM is paused; lockstep resume lets it go on");
        }
        run.handOver();
      }
      case "detach" -> {
        FtSession.State now = run.node().status().state();
        if (now == FtSession.State.ALONE || now == FtSession.State.WAITING) {
          throw new IOException("detach: there is no other side; this one is " + now);
        }
        run.node().tell(new FtEvent.Detach());
      }
      case "protect" -> {
        need(FtSession.State.ALONE, command);
        run.protect(address(request.getOrDefault("backup", "")));
      }
      default -> throw new IOException("no such command: " + command);
    }
  }

  private static InetSocketAddress address(Object text) throws IOException {
    try {
      return new HostPort().convert(String.valueOf(text));
    } catch (TypeConversionException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private void needTheVm(String command) throws IOException {
    if (!run.node().status().state().isTheVm()) {
      throw new IOException(
          "%s: the VM does not run here; this side is %s"
              .formatted(command, run.node().status().state()));
    }
  }

  private void need(FtSession.State state, String command) throws IOException {
    FtSession.State now = run.node().status().state();
    if (now != state) {
      throw new IOException(
          "%s needs a VM that is %s; this one is %s".formatted(command, state, now));
    }
  }
}
