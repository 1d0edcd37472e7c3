/* The peer of "lockstep bench exits": the least that a C program does for the same guest.
 * Usage: exits IMAGE. Prints nanoseconds per exit for every line on standard input. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MEMORY (2 << 20)
#define ENTRY 0x7c00
#define EXIT_PORT 0xf4

static void check(int ok, const char *what) {
  if (!ok) {
    perror(what);
    exit(1);
  }
}

static double round_nanos(int kvm, const uint8_t *image, size_t size) {
  int vm = ioctl(kvm, KVM_CREATE_VM, 0);
  check(vm >= 0, "KVM_CREATE_VM");
  check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000) >= 0, "KVM_SET_TSS_ADDR");
  uint8_t *memory = mmap(0, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(memory != MAP_FAILED, "mmap");
  memcpy(memory + ENTRY, image, size);
  struct kvm_userspace_memory_region region = {.memory_size = MEMORY,
                                               .userspace_addr = (uintptr_t)memory};
  check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) >= 0, "KVM_SET_USER_MEMORY_REGION");
  int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
  check(vcpu >= 0, "KVM_CREATE_VCPU");
  int run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  struct kvm_run *run = mmap(0, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
  check(run != MAP_FAILED, "mmap of kvm_run");
  struct kvm_sregs sregs;
  check(ioctl(vcpu, KVM_GET_SREGS, &sregs) >= 0, "KVM_GET_SREGS");
  sregs.cs.base = sregs.cs.selector = 0;
  check(ioctl(vcpu, KVM_SET_SREGS, &sregs) >= 0, "KVM_SET_SREGS");
  struct kvm_regs regs = {.rip = ENTRY, .rflags = 2};
  check(ioctl(vcpu, KVM_SET_REGS, &regs) >= 0, "KVM_SET_REGS");

  struct timespec start, end;
  long exits = 0;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do {
    check(ioctl(vcpu, KVM_RUN, 0) >= 0, "KVM_RUN");
    check(run->exit_reason == KVM_EXIT_IO, "exit");
    exits++;
  } while (run->io.port != EXIT_PORT);
  clock_gettime(CLOCK_MONOTONIC, &end);

  munmap(run, run_size);
  close(vcpu);
  close(vm);
  munmap(memory, MEMORY);
  return ((end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec)) / exits;
}

int main(int argc, char **argv) {
  uint8_t image[512];
  char line[16];
  check(argc == 2, "usage: exits IMAGE");
  int file = open(argv[1], O_RDONLY);
  check(file >= 0 && read(file, image, sizeof image) == sizeof image, argv[1]);
  int kvm = open("/dev/kvm", O_RDWR);
  check(kvm >= 0, "/dev/kvm");
  while (fgets(line, sizeof line, stdin)) {
    printf("%.1f\n", round_nanos(kvm, image, sizeof image));
    fflush(stdout);
  }
  return 0;
}
