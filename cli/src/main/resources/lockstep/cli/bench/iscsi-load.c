/* The peer of "lockstep bench disk" for writes: the least that a C program does with libiscsi.
 * Usage: iscsi-load PORTAL TARGET LUN. For every line "read|write|fua SIZE DEPTH MILLIS" on
 * standard input it loads the unit for that time and prints completed requests a second. */
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#define INITIATOR "iqn.2026-11.dev.lockstep.bench:c"
#define MAX_SIZE (1 << 20)
#define MAX_DEPTH 64

static struct iscsi_context *iscsi;
static int lun;
static uint32_t block;
static uint64_t blocks;
static unsigned char data[MAX_SIZE], found[MAX_DEPTH][MAX_SIZE];

static char kind[8];
static uint32_t size;
static int flying;
static uint64_t done, sequence = 88172645463325252u;
static double end_seconds, last_seconds;

static void check(int ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "iscsi-load: %s: %s\n", what, iscsi ? iscsi_get_error(iscsi) : "");
    exit(1);
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void submit(void *slot);

static void completed(struct iscsi_context *unused, int status, void *task, void *slot) {
  (void)unused;
  check(status == SCSI_STATUS_GOOD, kind);
  scsi_free_scsi_task(task);
  done++;
  last_seconds = now();
  if (last_seconds < end_seconds)
    submit(slot);
  else
    flying--;
}

static void submit(void *slot) {
  sequence ^= sequence << 13; /* xorshift */
  sequence ^= sequence >> 7;
  sequence ^= sequence << 17;
  uint64_t at = sequence % (blocks / (size / block)) * (size / block);
  struct scsi_task *task;
  if (kind[0] == 'r') {
    task = iscsi_read16_task(iscsi, lun, at, size, block, 0, 0, 0, 0, 0, completed, slot);
    check(task && !scsi_task_add_data_in_buffer(task, size, slot), "read");
  } else {
    int fua = kind[0] == 'f';
    task = iscsi_write16_task(iscsi, lun, at, data, size, block, 0, 0, fua, 0, 0, completed, slot);
    check(task != 0, "write");
  }
}

static void load(int depth, int millis) {
  double start = now();
  done = 0;
  end_seconds = start + millis / 1e3;
  for (flying = 0; flying < depth; flying++)
    submit(found[flying]);
  while (flying > 0) {
    struct pollfd socket = {.fd = iscsi_get_fd(iscsi), .events = iscsi_which_events(iscsi)};
    check(poll(&socket, 1, 10000) > 0, "poll");
    check(iscsi_service(iscsi, socket.revents) == 0, "iscsi_service");
  }
  printf("%.1f\n", done / (last_seconds - start));
  fflush(stdout);
}

int main(int argc, char **argv) {
  char line[64];
  int depth, millis;
  check(argc == 4, "usage: iscsi-load PORTAL TARGET LUN");
  iscsi = iscsi_create_context(INITIATOR);
  check(iscsi != 0, "iscsi_create_context");
  lun = atoi(argv[3]);
  iscsi_set_targetname(iscsi, argv[2]);
  iscsi_set_session_type(iscsi, ISCSI_SESSION_NORMAL);
  iscsi_set_header_digest(iscsi, ISCSI_HEADER_DIGEST_NONE);
  check(iscsi_full_connect_sync(iscsi, argv[1], lun) == 0, argv[1]);
  struct scsi_task *task = iscsi_readcapacity16_sync(iscsi, lun);
  check(task && task->status == SCSI_STATUS_GOOD, "READ CAPACITY");
  struct scsi_readcapacity16 *capacity = scsi_datain_unmarshall(task);
  check(capacity != 0, "READ CAPACITY");
  block = capacity->block_length;
  blocks = capacity->returned_lba + 1;
  scsi_free_scsi_task(task);
  while (fgets(line, sizeof line, stdin)) {
    check(sscanf(line, "%7s %" SCNu32 " %d %d", kind, &size, &depth, &millis) == 4, line);
    check(size <= MAX_SIZE && size >= block && depth <= MAX_DEPTH, line);
    load(depth, millis);
  }
  iscsi_logout_sync(iscsi);
  iscsi_destroy_context(iscsi);
  return 0;
}
