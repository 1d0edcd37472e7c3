package lockstep.storage.ffi;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The C compiler compares {@link Libiscsi} with the library's headers. */
class LibiscsiHeaderTest {
  private static final Path HEADER = Path.of("/usr/include/iscsi/scsi-lowlevel.h");

  @TempDir private Path directory = Path.of("");

  @BeforeEach
  void needHeaders() {
    boolean here = Files.exists(HEADER) && Files.isExecutable(Path.of("/usr/bin/cc"));
    if (!here) {
      System.out.println("LibiscsiHeaderTest is skipped: install libiscsi-dev and gcc");
    }
    Assumptions.assumeTrue(here, "no " + HEADER + " or no cc: install libiscsi-dev and gcc");
  }

  private static List<String> layouts() {
    return List.of(
        same("SCSI_XFER_NONE", Libiscsi.SCSI_XFER_NONE),
        same("SCSI_XFER_READ", Libiscsi.SCSI_XFER_READ),
        same("SCSI_XFER_WRITE", Libiscsi.SCSI_XFER_WRITE),
        same("ISCSI_SESSION_NORMAL", Libiscsi.ISCSI_SESSION_NORMAL),
        same("ISCSI_HEADER_DIGEST_NONE_CRC32C", Libiscsi.ISCSI_HEADER_DIGEST_NONE_CRC32C),
        same("SCSI_STATUS_CANCELLED", Libiscsi.SCSI_STATUS_CANCELLED),
        same("SCSI_STATUS_ERROR", Libiscsi.SCSI_STATUS_ERROR),
        same("SCSI_STATUS_TIMEOUT", Libiscsi.SCSI_STATUS_TIMEOUT),
        same("SCSI_RESIDUAL_UNDERFLOW", Libiscsi.SCSI_RESIDUAL_UNDERFLOW),
        same("sizeof(struct scsi_task)", Libiscsi.TASK_BYTES),
        same("offsetof(struct scsi_task, residual_status)", Libiscsi.TASK_RESIDUAL_STATUS),
        same("sizeof(((struct scsi_task *)0)->residual_status)", Integer.BYTES),
        same("offsetof(struct scsi_task, residual)", Libiscsi.TASK_RESIDUAL),
        same("sizeof(((struct scsi_task *)0)->residual)", Long.BYTES),
        same("offsetof(struct scsi_task, datain.size)", Libiscsi.TASK_DATAIN_SIZE),
        same("sizeof(((struct scsi_task *)0)->datain.size)", Integer.BYTES),
        same("offsetof(struct scsi_task, datain.data)", Libiscsi.TASK_DATAIN_DATA),
        same("sizeof(struct iscsi_data)", Libiscsi.DATA_BYTES),
        same("offsetof(struct iscsi_data, size)", Libiscsi.DATA_SIZE),
        same("offsetof(struct iscsi_data, data)", Libiscsi.DATA_DATA));
  }

  /** A second declaration of a function is an error unless it says the same. */
  private static List<String> functions() {
    String context = "struct iscsi_context *";
    return List.of(
        context + "iscsi_create_context(const char *);",
        "int iscsi_destroy_context(" + context + ");",
        "int iscsi_set_targetname(" + context + ", const char *);",
        "int iscsi_set_session_type(" + context + ", enum iscsi_session_type);",
        "int iscsi_set_header_digest(" + context + ", enum iscsi_header_digest);",
        "int iscsi_set_isid_random(" + context + ", uint32_t, uint32_t);",
        "void iscsi_set_noautoreconnect(" + context + ", int);",
        "int iscsi_set_initiator_username_pwd(" + context + ", const char *, const char *);",
        "int iscsi_full_connect_async("
            + context
            + ", const char *, int, iscsi_command_cb, void *);",
        "int iscsi_get_fd(" + context + ");",
        "int iscsi_which_events(" + context + ");",
        "int iscsi_out_queue_length(" + context + ");",
        "int iscsi_service(" + context + ", int);",
        "const char *iscsi_get_error(" + context + ");",
        "struct scsi_task *scsi_create_task(int, unsigned char *, int, int);",
        "void scsi_free_scsi_task(struct scsi_task *);",
        "int scsi_task_add_data_in_buffer(struct scsi_task *, int, unsigned char *);",
        "int iscsi_scsi_command_async("
            + context
            + ", int, struct scsi_task *, iscsi_command_cb, struct iscsi_data *, void *);",
        "int iscsi_task_mgmt_lun_reset_async(" + context + ", uint32_t, iscsi_command_cb, void *);",
        "int iscsi_logout_async(" + context + ", iscsi_command_cb, void *);",
        "void called(" + context + ", int, void *, void *); iscsi_command_cb callback = called;");
  }

  private static String same(String expression, long value) {
    return "_Static_assert(%s == %d, \"%s\");".formatted(expression, value, expression);
  }

  private String compile(List<String> lines) throws IOException, InterruptedException {
    List<String> program = new ArrayList<>();
    program.add("#include <stddef.h>");
    program.add("#include <stdint.h>");
    program.add("#include <iscsi/iscsi.h>");
    program.add("#include <iscsi/scsi-lowlevel.h>");
    program.addAll(lines);
    Path source = Files.write(directory.resolve("audit.c"), program);
    Process cc =
        new ProcessBuilder("cc", "-fsyntax-only", "-Werror", source.toString())
            .redirectErrorStream(true)
            .start();
    String output = new String(cc.getInputStream().readAllBytes(), UTF_8);
    return cc.waitFor() == 0 ? "" : output;
  }

  @Test
  void structsAndConstantsAreThoseOfTheHeaders() throws Exception {
    assertEquals("", compile(layouts()));
  }

  @Test
  void functionsAreThoseOfTheHeaders() throws Exception {
    assertEquals("", compile(functions()));
  }

  @Test
  void wrongOffsetAndWrongArgumentAreFound() throws Exception {
    assertTrue(
        compile(List.of(same("offsetof(struct scsi_task, residual)", 41))).contains("residual"));
    assertTrue(
        compile(List.of("int iscsi_get_fd(struct iscsi_context *, int);"))
            .contains("iscsi_get_fd"));
  }
}
