package lockstep.cli.pair;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lockstep.cli.common.CommandFailure;
import lockstep.cli.common.HostPort;
import lockstep.cli.run.SnapshotFile;
import lockstep.cli.vm.VmControl;
import lockstep.replay.ft.disk.Claimant;
import lockstep.replay.ft.output.OutputWaits;
import lockstep.replay.ft.protocol.FtState;
import lockstep.replay.ft.protocol.FtStatus;
import picocli.CommandLine.TypeConversionException;

/** What users may ask of one side of a pair while it runs. */
final class PairControl extends VmControl {
  /** What to do where nobody listens. */
  static final String START_BACKUP = "start lockstep backup there, with the same disk";

  private static final int DEFAULT_HAND_OVER_SECONDS = 30;
  private static final int MAX_HAND_OVER_SECONDS = 120;

  private final PairRun run;

  /**
   * @param name what this process is called here
   */
  PairControl(String name, PairRun run) {
    super(name, run.console(), run.queue());
    this.run = run;
  }

  @Override
  public void addStatus(Map<String, Object> fields) {
    FtStatus status = run.node().status();
    FtStatus.Transfer transfer = status.transfer();
    boolean here = status.side() == Claimant.Side.PRIMARY;
    fields.put("role", here ? "primary" : "backup");
    fields.put("state", status.state().name());
    fields.put("paused", run.vm().isPaused());
    fields.put("vm", status.vm());
    fields.put("epoch", status.epoch());
    fields.put("peer", status.peer());
    if (status.state() == FtState.PROTECTED || status.state() == FtState.FOLLOWING) {
      fields.put("udp_heartbeats", status.datagrams());
    }
    fields.put("log_entries", transfer.entries());
    fields.put("acknowledged_entries", transfer.acknowledgedEntries());
    fields.put("replayed_entries", transfer.replayedEntries());
    fields.put(here ? "sent_bytes" : "received_bytes", transfer.channelBytes());
    fields.put("bandwidth_bytes_per_second", run.bandwidth().bytesPerSecond());
    if (status.state() == FtState.PROTECTED) {
      // Only acknowledgements tell it.
      fields.put("lag_ms", transfer.lagNanos() / 1_000_000);
    }
    if (!status.noBackup().isEmpty()) {
      fields.put("no_backup", status.noBackup());
    }
    if (status.state() == FtState.PAIRING) {
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
  public void pause() throws IOException {
    needTheVm();
    run.vm().pause();
  }

  @Override
  public void resume() throws IOException {
    needTheVm();
    run.vm().resume();
  }

  @Override
  public void stop() throws IOException {
    switch (run.node().status().state()) {
      case HANDING_OVER ->
          throw new IOException("the VM is being handed over; stop it where it goes on");
      case TAKING_OVER -> throw new IOException("this side takes over; stop it when it is ALONE");
      case CLAIMING -> {
        if (run.node().status().side() == Claimant.Side.PRIMARY) {
          throw new IOException(
              "the disk has not said yet which side continues; lockstep status shows it, then try"
                  + " again");
        }
      }
      case WAITING, RECEIVING, FOLLOWING, CATCHING_UP, ALONE, PAIRING, PROTECTED, HALTED, ENDED -> {
        // Not between two sides.
      }
    }
    run.stopAndWait();
  }

  @Override
  public void snapshot(Path path, Consumer<String> notes)
      throws IOException, CommandFailure, InterruptedException {
    SnapshotFile file = new SnapshotFile(path, notes);
    file.checkWritable();
    needTheVm();
    run.snapshot(file);
  }

  @Override
  public void others(String command, Map<String, Object> request)
      throws IOException, InterruptedException {
    switch (command) {
      case "failover" -> {
        need(FtState.PROTECTED, "lockstep protect gives it a backup");
        if (run.vm().isPaused()) {
          throw new IOException("the VM is paused; lockstep resume lets it go on");
        }
        run.handOver(handOverNanos(request));
      }
      case "detach" -> detach();
      case "protect" -> {
        need(FtState.ALONE, "lockstep detach parts it from the backup that it has");
        protect(address(request.getOrDefault("backup", "")));
      }
      default -> throw new IOException("no such command: " + command);
    }
  }

  private static long handOverNanos(Map<String, Object> request) throws IOException {
    Object seconds = request.getOrDefault("timeout", DEFAULT_HAND_OVER_SECONDS);
    if (seconds instanceof Integer some && some >= 1 && some <= MAX_HAND_OVER_SECONDS) {
      return TimeUnit.SECONDS.toNanos(some);
    }
    throw new IOException(
        "the time-out of a failover is 1 to %d s, not %s"
            .formatted(MAX_HAND_OVER_SECONDS, seconds));
  }

  private void detach() throws IOException {
    FtState now = run.node().status().state();
    switch (now) {
      case PAIRING, PROTECTED, RECEIVING, FOLLOWING -> run.detach();
      case CATCHING_UP, CLAIMING, HANDING_OVER, TAKING_OVER ->
          throw new IOException(
              "this side is %s; lockstep status shows what becomes of it".formatted(now));
      case ALONE, WAITING, HALTED, ENDED ->
          throw new IOException(
              "there is no other side, this one is %s; lockstep ps shows all that run here"
                  .formatted(now));
    }
  }

  private static InetSocketAddress address(Object text) throws IOException {
    try {
      return new HostPort().convert(String.valueOf(text));
    } catch (TypeConversionException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private void protect(InetSocketAddress with) throws IOException, InterruptedException {
    try {
      run.protect(with);
    } catch (IOException e) {
      String what = String.valueOf(e.getMessage());
      throw new IOException(what.startsWith("connect to ") ? what + "; " + START_BACKUP : what, e);
    }
  }

  private void needTheVm() throws IOException {
    FtState now = run.node().status().state();
    if (!now.isTheVm()) {
      throw new IOException(
          "the VM does not run here, this side is %s; name the side that is the VM".formatted(now));
    }
  }

  private void need(FtState state, String remedy) throws IOException {
    needTheVm();
    FtState now = run.node().status().state();
    if (now != state) {
      throw new IOException(
          "the VM is %s, not %s; %s"
              .formatted(
                  now,
                  state,
                  now == FtState.PAIRING ? "lockstep status shows how far it is" : remedy));
    }
  }
}
