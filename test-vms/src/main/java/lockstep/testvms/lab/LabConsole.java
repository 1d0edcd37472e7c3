package lockstep.testvms.lab;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Reads the console of a lab's host on a thread of its own. What comes before the init script's
 * start line are boot messages, kept for error reports; what comes after belongs to the job, is
 * handed on at once and kept. At the start line the job's input is typed.
 */
final class LabConsole {
  private static final String START = "lab: start\n";

  private final Process qemu;
  private final String input;
  private final OutputStream output;
  private final Thread reader = new Thread(this::read, "lab-console");

  // Written by the reader alone, read after join().
  private final StringBuilder boot = new StringBuilder();
  private final StringBuilder job = new StringBuilder();
  private long startedNanos = System.nanoTime();

  LabConsole(Process qemu, String input, OutputStream output) {
    this.qemu = qemu;
    this.input = input;
    this.output = output;
  }

  void start() {
    reader.start();
  }

  /** Waits for the end of the console, which comes with the end of QEMU. */
  void join() throws InterruptedException {
    reader.join();
  }

  /** Boot messages and all. */
  String all() {
    return boot + job.toString();
  }

  String ofJob() {
    return job.toString();
  }

  /** When the start line came, by {@link System#nanoTime}. */
  long startedNanos() {
    return startedNanos;
  }

  private void read() {
    byte[] buffer = new byte[1 << 12];
    boolean started = false;
    try (InputStream in = qemu.getInputStream()) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        String text = new String(buffer, 0, n, StandardCharsets.ISO_8859_1);
        if (started) {
          pass(text);
        } else {
          boot.append(text);
          int at = boot.indexOf(START);
          if (at >= 0) {
            started = true;
            begin(at);
          }
        }
      }
    } catch (IOException e) {
      job.append("\n(console lost: ").append(e.getMessage()).append(")\n");
    }
  }

  private void begin(int at) throws IOException {
    startedNanos = System.nanoTime();
    String rest = boot.substring(at + START.length());
    boot.setLength(at);
    pass(rest);
    if (!input.isEmpty()) {
      OutputStream typing = qemu.getOutputStream();
      typing.write(input.getBytes(StandardCharsets.ISO_8859_1));
      typing.flush();
    }
  }

  private void pass(String text) throws IOException {
    job.append(text);
    output.write(text.getBytes(StandardCharsets.ISO_8859_1));
    output.flush();
  }
}
