package lockstep.storage.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/**
 * The functions of libiscsi that are used, and what is read of its structs; {@code
 * LibiscsiHeaderTest} has the C compiler compare these with the library's headers. Loaded when
 * first wanted, because a host without iSCSI disks need not have it.
 *
 * <p>Pointers are passed as {@code long}: the library only ever gets back what it gave out, or the
 * address of a segment that the caller keeps alive.
 */
final class Libiscsi {
  static final String SONAME = "libiscsi.so.7";

  /** enum scsi_xfer_dir. */
  static final int SCSI_XFER_NONE = 0;

  static final int SCSI_XFER_READ = 1;
  static final int SCSI_XFER_WRITE = 2;

  /** enum iscsi_session_type. */
  static final int ISCSI_SESSION_NORMAL = 2;

  /** enum iscsi_header_digest: offer none first, take CRC32C where the target insists. */
  static final int ISCSI_HEADER_DIGEST_NONE_CRC32C = 1;

  /** enum scsi_status: not from a target, but of the library. */
  static final int SCSI_STATUS_CANCELLED = 0x0f000000;

  static final int SCSI_STATUS_ERROR = 0x0f000001;
  static final int SCSI_STATUS_TIMEOUT = 0x0f000002;

  /** enum scsi_residual. */
  static final int SCSI_RESIDUAL_UNDERFLOW = 1;

  /** struct scsi_task. */
  static final long TASK_BYTES = 176;

  static final long TASK_RESIDUAL_STATUS = 32;
  static final long TASK_RESIDUAL = 40;
  static final long TASK_DATAIN_SIZE = 64;
  static final long TASK_DATAIN_DATA = 72;

  /** struct iscsi_data. */
  static final long DATA_BYTES = 16;

  static final long DATA_SIZE = 0;
  static final long DATA_DATA = 8;

  final MethodHandle createContext;
  final MethodHandle destroyContext;
  final MethodHandle setTargetname;
  final MethodHandle setSessionType;
  final MethodHandle setHeaderDigest;
  final MethodHandle setIsidRandom;
  final MethodHandle setNoautoreconnect;
  final MethodHandle setInitiatorUsernamePwd;
  final MethodHandle fullConnectAsync;
  final MethodHandle getFd;
  final MethodHandle whichEvents;
  final MethodHandle outQueueLength;
  final MethodHandle service;
  final MethodHandle getError;
  final MethodHandle createTask;
  final MethodHandle freeTask;
  final MethodHandle addDataInBuffer;
  final MethodHandle commandAsync;
  final MethodHandle lunResetAsync;
  final MethodHandle logoutAsync;

  private static final FunctionDescriptor CALLBACK =
      FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);

  private final SymbolLookup symbols;

  @SuppressWarnings("restricted") // the native part of storage
  private Libiscsi() {
    symbols = SymbolLookup.libraryLookup(SONAME, Arena.global());
    createContext = function("iscsi_create_context", JAVA_LONG, ADDRESS);
    destroyContext = function("iscsi_destroy_context", JAVA_INT, JAVA_LONG);
    setTargetname = function("iscsi_set_targetname", JAVA_INT, JAVA_LONG, ADDRESS);
    setSessionType = function("iscsi_set_session_type", JAVA_INT, JAVA_LONG, JAVA_INT);
    setHeaderDigest = function("iscsi_set_header_digest", JAVA_INT, JAVA_LONG, JAVA_INT);
    setIsidRandom = function("iscsi_set_isid_random", JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT);
    setNoautoreconnect = procedure("iscsi_set_noautoreconnect", JAVA_LONG, JAVA_INT);
    setInitiatorUsernamePwd =
        function("iscsi_set_initiator_username_pwd", JAVA_INT, JAVA_LONG, ADDRESS, ADDRESS);
    fullConnectAsync =
        function(
            "iscsi_full_connect_async", JAVA_INT, JAVA_LONG, ADDRESS, JAVA_INT, ADDRESS, JAVA_LONG);
    getFd = function("iscsi_get_fd", JAVA_INT, JAVA_LONG);
    whichEvents = function("iscsi_which_events", JAVA_INT, JAVA_LONG);
    outQueueLength = function("iscsi_out_queue_length", JAVA_INT, JAVA_LONG);
    service = function("iscsi_service", JAVA_INT, JAVA_LONG, JAVA_INT);
    getError = function("iscsi_get_error", JAVA_LONG, JAVA_LONG);
    createTask = function("scsi_create_task", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
    freeTask = procedure("scsi_free_scsi_task", JAVA_LONG);
    addDataInBuffer =
        function("scsi_task_add_data_in_buffer", JAVA_INT, JAVA_LONG, JAVA_INT, ADDRESS);
    commandAsync =
        function(
            "iscsi_scsi_command_async",
            JAVA_INT,
            JAVA_LONG,
            JAVA_INT,
            JAVA_LONG,
            ADDRESS,
            ADDRESS,
            JAVA_LONG);
    lunResetAsync =
        function(
            "iscsi_task_mgmt_lun_reset_async", JAVA_INT, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    logoutAsync = function("iscsi_logout_async", JAVA_INT, JAVA_LONG, ADDRESS, JAVA_LONG);
  }

  private static final class Loaded {
    static final Libiscsi LIBRARY = new Libiscsi();

    private Loaded() {}
  }

  /**
   * The library.
   *
   * @throws IOException when it is not installed; one line
   */
  static Libiscsi load() throws IOException {
    try {
      return Loaded.LIBRARY;
    } catch (ExceptionInInitializerError | NoClassDefFoundError e) {
      throw new IOException(
          "iSCSI disks need " + SONAME + ", which is not here: install libiscsi7", e);
    }
  }

  @SuppressWarnings("restricted")
  private MethodHandle function(
      String name,
      java.lang.foreign.MemoryLayout result,
      java.lang.foreign.MemoryLayout... arguments) {
    return Linker.nativeLinker()
        .downcallHandle(symbols.findOrThrow(name), FunctionDescriptor.of(result, arguments));
  }

  @SuppressWarnings("restricted")
  private MethodHandle procedure(String name, java.lang.foreign.MemoryLayout... arguments) {
    return Linker.nativeLinker()
        .downcallHandle(symbols.findOrThrow(name), FunctionDescriptor.ofVoid(arguments));
  }

  /**
   * A C function that calls {@code IscsiContext.called(long, int, long, long)} of one object; it
   * must not throw, since there is no Java below it on the stack that could catch.
   */
  @SuppressWarnings("restricted")
  static MemorySegment callback(IscsiContext context, Arena arena) {
    try {
      MethodHandle target =
          MethodHandles.lookup()
              .findVirtual(
                  IscsiContext.class,
                  "called",
                  MethodType.methodType(void.class, long.class, int.class, long.class, long.class))
              .bindTo(context);
      return Linker.nativeLinker().upcallStub(target, CALLBACK, arena);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError("IscsiContext.called", e);
    }
  }
}
