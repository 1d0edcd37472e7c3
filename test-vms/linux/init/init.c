/*
 * The first process of the tiny Linux guest: mounts what there is and runs a small shell on the
 * console. Built statically against musl for baseline x86-64: on a software KVM user code sees the
 * host's CPUID, and a C library that picks AVX copies from it would use registers that this kernel
 * does not save.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <dirent.h>
#include <time.h>
#include <unistd.h>

#define PROMPT "lockstep# "
#define MAX_ARGS 16
#define EXIT_PORT 0xf4 /* isa-debug-exit convention: the byte written ends the machine */

struct command {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *usage;
};

static const struct command commands[];

/* Ctrl-C. A command that runs long looks at it; a program dies of the signal by itself. */
static volatile sig_atomic_t interrupted;

static void interrupt(int signal) {
  (void)signal;
  interrupted = 1;
}

static int failed(const char *what) {
  printf("%s: %s\n", what, strerror(errno));
  return 1;
}

/* Leaves the machine through the exit port; /dev/port makes the kernel execute the OUT. */
static int leave(unsigned char code) {
  sync();
  int port = open("/dev/port", O_WRONLY);
  if (port < 0) return failed("/dev/port");
  if (pwrite(port, &code, 1, EXIT_PORT) != 1) return failed("exit port");
  return 1;
}

static int do_poweroff(int argc, char **argv) {
  (void)argc, (void)argv;
  return leave(0);
}

static int do_exit(int argc, char **argv) {
  return leave(argc > 1 ? (unsigned char)atoi(argv[1]) : 0);
}

static int do_reboot(int argc, char **argv) {
  (void)argc, (void)argv;
  sync();
  reboot(RB_AUTOBOOT);
  return failed("reboot");
}

static int do_echo(int argc, char **argv) {
  for (int i = 1; i < argc; i++) printf("%s%s", argv[i], i + 1 < argc ? " " : "");
  putchar('\n');
  return 0;
}

static int do_cat(int argc, char **argv) {
  char buffer[4096];
  for (int i = 1; i < argc; i++) {
    int fd = open(argv[i], O_RDONLY);
    if (fd < 0) return failed(argv[i]);
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0) fwrite(buffer, 1, (size_t)n, stdout);
    close(fd);
    if (n < 0) return failed(argv[i]);
  }
  return 0;
}

static int do_ls(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : ".";
  DIR *dir = opendir(path);
  if (!dir) return failed(path);
  struct dirent *entry;
  while ((entry = readdir(dir))) {
    if (entry->d_name[0] != '.') printf("%s\n", entry->d_name);
  }
  closedir(dir);
  return 0;
}

/* pid, state and name of every process, from the start of /proc/PID/stat: "1 (init) R ...". */
static int do_ps(int argc, char **argv) {
  (void)argc, (void)argv;
  DIR *dir = opendir("/proc");
  if (!dir) return failed("/proc");
  struct dirent *entry;
  while ((entry = readdir(dir))) {
    char path[sizeof entry->d_name + 16], line[128];
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    FILE *file = fopen(path, "r");
    if (!file) continue; /* ended meanwhile */
    char *end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    if (end && end[1] && end[2]) printf("%.*s\n", (int)(end + 3 - line), line);
    fclose(file);
  }
  closedir(dir);
  return 0;
}

static int do_uname(int argc, char **argv) {
  (void)argc, (void)argv;
  struct utsname name;
  uname(&name);
  printf("%s %s %s\n", name.sysname, name.release, name.machine);
  return 0;
}

static int do_uptime(int argc, char **argv) {
  (void)argc, (void)argv;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  printf("%ld.%02ld\n", (long)now.tv_sec, now.tv_nsec / 10000000);
  return 0;
}

static int do_free(int argc, char **argv) {
  (void)argc, (void)argv;
  struct sysinfo info;
  sysinfo(&info);
  printf("total %lu KiB, free %lu KiB\n", info.totalram * info.mem_unit / 1024,
         info.freeram * info.mem_unit / 1024);
  return 0;
}

static int do_sleep(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 1;
  struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&t, NULL);
  return 0;
}

static uint64_t fnv(uint64_t hash, const unsigned char *data, size_t size) {
  for (size_t i = 0; i < size; i++) hash = (hash ^ data[i]) * 0x100000001b3ULL;
  return hash;
}

#define FNV_START 0xcbf29ce484222325ULL

static int do_sum(int argc, char **argv) {
  unsigned char buffer[4096];
  for (int i = 1; i < argc; i++) {
    int fd = open(argv[i], O_RDONLY);
    if (fd < 0) return failed(argv[i]);
    uint64_t hash = FNV_START, size = 0;
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0) {
      hash = fnv(hash, buffer, (size_t)n);
      size += (uint64_t)n;
    }
    close(fd);
    if (n < 0) return failed(argv[i]);
    printf("%016llx %llu %s\n", (unsigned long long)hash, (unsigned long long)size, argv[i]);
  }
  return 0;
}

/* User-space CPU load without a system call: N million steps of xorshift64. */
static int do_burn(int argc, char **argv) {
  uint64_t steps = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1) * 1000000, x = 88172645463325252ULL;
  for (uint64_t i = 0; i < steps && !interrupted; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
  }
  printf("burn %016llx\n", (unsigned long long)x);
  return 0;
}

/* forks N times, one child after another: system calls, page faults, context switches. */
static int do_forks(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 1, ended = 0;
  for (int i = 0; i < count && !interrupted; i++) {
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) return failed("fork");
    if (child == 0) _exit(i & 0x7f);
    int status;
    if (waitpid(child, &status, 0) == child && WEXITSTATUS(status) == (i & 0x7f)) ended++;
  }
  printf("forks %d\n", ended);
  return ended == count ? 0 : 1;
}

/*
 * Numbered transactions: transaction n is a block of 4 KiB, 64-bit word w being n << 32 | w, in slot
 * n mod 256 of the disk. A number is printed when its block is on the disk.
 */
static int do_bank(int argc, char **argv) {
  if (argc < 2) return printf("bank DEVICE [COUNT]\n"), 1;
  uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : UINT64_MAX;
  int disk = open(argv[1], O_WRONLY);
  if (disk < 0) return failed(argv[1]);
  int status = 0;
  for (uint64_t n = 1; n <= count && !interrupted && status == 0; n++) {
    uint64_t block[512];
    for (uint64_t w = 0; w < 512; w++) block[w] = n << 32 | w;
    if (pwrite(disk, block, sizeof block, (off_t)(n % 256 * sizeof block)) != sizeof block ||
        fsync(disk) != 0) {
      status = failed(argv[1]);
    } else {
      printf("bank: %llu\n", (unsigned long long)n);
      fflush(stdout);
    }
  }
  close(disk);
  if (status == 0) printf("bank: closed\n");
  return status;
}

static int do_write(int argc, char **argv) {
  if (argc < 3) return printf("write PATH TEXT...\n"), 1;
  FILE *file = fopen(argv[1], "w");
  if (!file) return failed(argv[1]);
  for (int i = 2; i < argc; i++) fprintf(file, "%s%s", argv[i], i + 1 < argc ? " " : "\n");
  return fclose(file) ? failed(argv[1]) : 0;
}

/* Fills a file or device with numbered 4 KiB blocks, or checks them. */
static int blocks(int argc, char **argv, int check) {
  if (argc < 3) return printf("%s PATH COUNT\n", argv[0]), 1;
  int fd = open(argv[1], check ? O_RDONLY : O_WRONLY | O_CREAT, 0644);
  if (fd < 0) return failed(argv[1]);
  uint64_t block[512], hash = FNV_START;
  int count = atoi(argv[2]);
  for (int i = 0; i < count; i++) {
    for (int j = 0; j < 512; j++) block[j] = (uint64_t)i << 32 | (uint64_t)j;
    if (check) {
      uint64_t found[512];
      if (pread(fd, found, sizeof found, (off_t)i * 4096) != sizeof found) return failed(argv[1]);
      if (memcmp(found, block, sizeof block)) return printf("block %d differs\n", i), 1;
      hash = fnv(hash, (unsigned char *)found, sizeof found);
    } else if (pwrite(fd, block, sizeof block, (off_t)i * 4096) != sizeof block) {
      return failed(argv[1]);
    }
  }
  if (!check && fsync(fd)) return failed(argv[1]);
  close(fd);
  printf("%s %d blocks", argv[0], count);
  if (check) printf(" %016llx", (unsigned long long)hash);
  putchar('\n');
  return 0;
}

static int do_fill(int argc, char **argv) { return blocks(argc, argv, 0); }

static int do_check(int argc, char **argv) { return blocks(argc, argv, 1); }

static int do_random(int argc, char **argv) {
  (void)argc, (void)argv;
  unsigned char bytes[16];
  int fd = open("/dev/hwrng", O_RDONLY);
  if (fd < 0) return failed("/dev/hwrng");
  ssize_t n = read(fd, bytes, sizeof bytes);
  close(fd);
  if (n < 0) return failed("/dev/hwrng");
  for (ssize_t i = 0; i < n; i++) printf("%02x", bytes[i]);
  putchar('\n');
  return 0;
}

static int do_mount(int argc, char **argv) {
  if (argc < 3) return printf("mount DEVICE DIRECTORY [TYPE]\n"), 1;
  mkdir(argv[2], 0755);
  return mount(argv[1], argv[2], argc > 3 ? argv[3] : "ext2", 0, NULL) ? failed(argv[1]) : 0;
}

static int do_umount(int argc, char **argv) {
  return argc > 1 && umount(argv[1]) == 0 ? 0 : failed(argc > 1 ? argv[1] : "umount");
}

static int do_rm(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (unlink(argv[i])) return failed(argv[i]);
  }
  return 0;
}

static int do_sync(int argc, char **argv) {
  (void)argc, (void)argv;
  sync();
  return 0;
}

static int do_help(int argc, char **argv) {
  (void)argc, (void)argv;
  for (const struct command *c = commands; c->name; c++) printf("%-10s%s\n", c->name, c->usage);
  printf("a path     runs that program, such as /bin/busybox sh\n");
  return 0;
}

static const struct command commands[] = {
    {"bank", do_bank, "DEVICE [COUNT]  numbered transactions, each printed when it is on the disk"},
    {"burn", do_burn, "[N]  user-space CPU load, N million steps"},
    {"cat", do_cat, "PATH...  shows files"},
    {"check", do_check, "PATH COUNT  reads numbered 4 KiB blocks back"},
    {"echo", do_echo, "WORD...  repeats words"},
    {"exit", do_exit, "[CODE]  ends the machine with an exit code"},
    {"fill", do_fill, "PATH COUNT  writes numbered 4 KiB blocks"},
    {"forks", do_forks, "[N]  forks N processes, one after another"},
    {"free", do_free, "shows memory"},
    {"help", do_help, "shows this list"},
    {"ls", do_ls, "[PATH]  lists a directory"},
    {"mount", do_mount, "DEVICE DIRECTORY [TYPE]  mounts, ext2 if not said otherwise"},
    {"poweroff", do_poweroff, "ends the machine with exit code 0"},
    {"ps", do_ps, "lists processes: pid, name, state"},
    {"random", do_random, "16 bytes of the entropy device, in hexadecimal"},
    {"reboot", do_reboot, "resets the machine"},
    {"rm", do_rm, "PATH...  removes files"},
    {"sleep", do_sleep, "[SECONDS]  waits"},
    {"sum", do_sum, "PATH...  64-bit FNV-1a hash and size of files"},
    {"sync", do_sync, "writes caches to disk"},
    {"umount", do_umount, "DIRECTORY  unmounts"},
    {"uname", do_uname, "shows the kernel's version"},
    {"uptime", do_uptime, "shows seconds since boot"},
    {"write", do_write, "PATH WORD...  writes words to a file"},
    {NULL, NULL, NULL},
};

static int run_program(char **argv) {
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) return failed("fork");
  if (child == 0) {
    signal(SIGINT, SIG_DFL);
    execv(argv[0], argv);
    failed(argv[0]);
    fflush(stdout);
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_line(char *line) {
  char *argv[MAX_ARGS + 1];
  int argc = 0;
  for (char *word = strtok(line, " \t\r\n"); word && argc < MAX_ARGS; word = strtok(NULL, " \t\r\n"))
    argv[argc++] = word;
  argv[argc] = NULL;
  if (argc == 0) return 0;
  for (const struct command *c = commands; c->name; c++) {
    if (!strcmp(c->name, argv[0])) return c->run(argc, argv);
  }
  if (strchr(argv[0], '/')) return run_program(argv);
  printf("%s: no such command; try help\n", argv[0]);
  return 127;
}

/*
 * Takes the console as the controlling terminal, which is what makes Ctrl-C a signal. /dev/console
 * cannot be one, so the serial port behind it is opened by name.
 */
static void take_console(void) {
  setsid();
  int console = open("/dev/ttyS0", O_RDWR);
  if (console >= 0) {
    ioctl(console, TIOCSCTTY, 0);
  } else {
    console = open("/dev/console", O_RDWR);
  }
  if (console < 0) return;
  for (int fd = 0; fd < 3; fd++) dup2(console, fd);
  if (console > 2) close(console);
}

static void reap_orphans(void) {
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
}

int main(void) {
  mkdir("/proc", 0755);
  mount("proc", "/proc", "proc", 0, NULL);
  mkdir("/dev", 0755);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  mkdir("/tmp", 0755);
  take_console();
  struct sigaction action = {.sa_handler = interrupt}; /* no SA_RESTART: a read or sleep ends */
  sigaction(SIGINT, &action, NULL);
  printf("tiny Linux is up; help lists the commands\n");
  char line[512];
  for (;;) {
    printf(PROMPT);
    fflush(stdout);
    interrupted = 0;
    if (!fgets(line, sizeof line, stdin)) {
      clearerr(stdin);
      putchar('\n');
      if (!interrupted) sleep(1); /* Ctrl-D, or no terminal: do not spin */
      continue;
    }
    int status = run_line(line);
    if (interrupted) printf("interrupted\n");
    if (status) printf("status %d\n", status);
    reap_orphans();
  }
}
