/* Performance counters. The kernel declares the flags of perf_event_attr and the capabilities of
 * perf_event_mmap_page as bit fields, which have no layout in Java: they are given here as masks
 * over the 64-bit word that holds them. The header audit compares each mask with the bit field. */
#include <linux/perf_event.h>
#include <linux/hw_breakpoint.h>

enum lockstep_perf_attr_flags {
  PERF_ATTR_FLAGS_OFFSET = 40,
  PERF_ATTR_FLAG_DISABLED = 1 << 0,
  PERF_ATTR_FLAG_INHERIT = 1 << 1,
  PERF_ATTR_FLAG_PINNED = 1 << 2,
  PERF_ATTR_FLAG_EXCLUSIVE = 1 << 3,
  PERF_ATTR_FLAG_EXCLUDE_USER = 1 << 4,
  PERF_ATTR_FLAG_EXCLUDE_KERNEL = 1 << 5,
  PERF_ATTR_FLAG_EXCLUDE_HV = 1 << 6,
  PERF_ATTR_FLAG_EXCLUDE_IDLE = 1 << 7,
  PERF_ATTR_FLAG_FREQ = 1 << 10,
  PERF_ATTR_FLAG_PRECISE_IP = 3 << 15,
  PERF_ATTR_FLAG_EXCLUDE_HOST = 1 << 19,
  PERF_ATTR_FLAG_EXCLUDE_GUEST = 1 << 20,
};

enum lockstep_perf_mmap_capabilities {
  PERF_MMAP_CAP_USER_RDPMC = 1 << 2,
  PERF_MMAP_CAP_USER_TIME = 1 << 3,
  PERF_MMAP_CAP_USER_TIME_ZERO = 1 << 4,
};
