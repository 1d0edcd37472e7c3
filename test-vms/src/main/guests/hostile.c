/* What the guest "hostile" does (hostile.S). No SSE, no library: the first rule is to keep going. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

/* A port that is not there: the harness counts actions by what is written to it. */
#define PROGRESS_PORT 0x1e0
#define PROGRESS_ACTIONS 64

#define WINDOW 0xe0000000UL
#define NOTIFY 0x3000
#define QUEUE_ENTRIES 16
#define PCI_DISK (0x80000000u | 4 << 11)

/* One action in so many is meant to kill, where that is allowed. */
#define KILL_ONE_IN 4096
/* One access in so many to a port that may end the guest is made. */
#define ENDING_ONE_IN 2048

struct descriptor { u64 address; u32 length; u16 flags, next; };
static struct {
  struct descriptor table[QUEUE_ENTRIES];
  u16 available[4 + QUEUE_ENTRIES];
  __attribute__((aligned(4))) u16 used[4 + 4 * QUEUE_ENTRIES];
} ring __attribute__((aligned(4096)));
static u8 buffer[8192] __attribute__((aligned(4096)));

u64 acted;
static u64 wanted, calm, state;

static u64 random64(void) {
  state = state * 6364136223846793005UL + 1442695040888963407UL;
  u64 x = state;
  x ^= x >> 29;
  x *= 0xbf58476d1ce4e5b9UL;
  return x ^ x >> 32;
}

static u32 below(u32 n) { return (u32)random64() % n; }

/* Values at which things break, and any others. */
static u64 value(void) {
  switch (below(10)) {
    case 0: return 0;
    case 1: return ~0UL;
    case 2: return 1UL << below(64);
    case 3: return ~(1UL << below(64));
    case 4: return 0xaaaaaaaaaaaaaaaaUL;
    case 5: return below(16);
    case 6: return 0xffffffff80000000UL + below(1 << 30);
    case 7: return 0x0000800000000000UL + below(4096);
    case 8: return (u32)random64();
    default: return random64();
  }
}

static void out8(u16 port, u8 v) { __asm__ volatile("outb %0, %1" ::"a"(v), "d"(port)); }
static void out16(u16 port, u16 v) { __asm__ volatile("outw %0, %1" ::"a"(v), "d"(port)); }
static void out32(u16 port, u32 v) { __asm__ volatile("outl %0, %1" ::"a"(v), "d"(port)); }
static u32 in32(u16 port) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "d"(port)); return v; }
static void in16(u16 port) { u16 v; __asm__ volatile("inw %1, %0" : "=a"(v) : "d"(port)); }
static void in8(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "d"(port)); }

static const u16 devices[] = {
  0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xe4,
  0xe8, 0xec, 0xf0, 0xf4, 0xf6, 0x1ce, 0x2f8, 0x3c4, 0x3d4, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc,
  0x3fd, 0x3fe, 0x3ff, 0x402, 0x4d0, 0x4d1, 0x510, 0x600, 0xcf8, 0xcf9, 0xcfa, 0xcfb, 0xcfc, 0xcfd,
  0xcfe, 0xcff, 0xffff, 0xfffe, 0xfffd,
};

/* Whether an access of up to four bytes reaches a port that resets or ends the machine. */
static int ends(u32 port) {
  u32 last = port + 3;
  return (port <= 0x64 && last >= 0x64) || (port <= 0x92 && last >= 0x92)
      || (port <= 0xf7 && last >= 0xf4) || (port <= 0xcf9 && last >= 0xcf9);
}

static u16 any_port(void) {
  for (;;) {
    u16 port = below(2) ? devices[below(sizeof devices / sizeof *devices)] : (u16)random64();
    if (!ends(port) || (!calm && below(ENDING_ONE_IN) == 0)) {
      return port;
    }
  }
}

static void port_access(void) {
  u16 port = any_port();
  u32 v = (u32)value();
  switch (below(6)) {
    case 0: in8(port); break;
    case 1: in16(port); break;
    case 2: in32(port); break;
    case 3: out8(port, (u8)v); break;
    case 4: out16(port, (u16)v); break;
    default: out32(port, v); break;
  }
}

/* RAM, holes, windows, places that are not mapped. */
static u64 address(void) {
  switch (below(10)) {
    case 0: return (u64)buffer + below(sizeof buffer - 64);
    case 1: return WINDOW + below(0x4000);
    case 2: return WINDOW + (below(0x4000) & ~3u);
    case 3: return 0xc0000000UL + below(0x40000000);
    case 4: return 0xfee00000UL + below(0x1000);
    case 5: return 0xfec00000UL + below(0x20);
    case 6: return 0x40000000UL + below(0x10000000);
    case 7: return 0xfffffff0UL + below(24);
    case 8: return (u64)buffer + sizeof buffer - below(8);
    default: return value();
  }
}

static void string_access(void) {
  u64 di = address(), si = address(), n = below(64) ? 1 + below(16) : below(2000), port = any_port();
  if (below(4) == 0) {
    __asm__ volatile("std");
  }
  switch (below(8)) {
    case 0: __asm__ volatile("rep insb" : "+D"(di), "+c"(n) : "d"(port) : "memory"); break;
    case 1: __asm__ volatile("rep insw" : "+D"(di), "+c"(n) : "d"(port) : "memory"); break;
    case 2: __asm__ volatile("rep insl" : "+D"(di), "+c"(n) : "d"(port) : "memory"); break;
    case 3: __asm__ volatile("rep outsb" : "+S"(si), "+c"(n) : "d"(port) : "memory"); break;
    case 4: __asm__ volatile("rep outsw" : "+S"(si), "+c"(n) : "d"(port) : "memory"); break;
    case 5: __asm__ volatile("rep outsl" : "+S"(si), "+c"(n) : "d"(port) : "memory"); break;
    case 6:
      di = WINDOW + below(0x4000);
      __asm__ volatile("rep movsb" : "+S"(si), "+D"(di), "+c"(n) :: "memory");
      break;
    default:
      di = (u64)buffer + 4096;
      __asm__ volatile("rep movsl" : "+S"(si), "+D"(di), "+c"(n) :: "memory");
      break;
  }
  __asm__ volatile("cld");
}

static void memory_access(void) {
  u64 at = address(), v = value();
  int ram = at < 0x800000;
  switch (below(10)) {
    case 0: (void)*(volatile u8 *)at; break;
    case 1: (void)*(volatile u16 *)at; break;
    case 2: (void)*(volatile u32 *)at; break;
    case 3: (void)*(volatile u64 *)at; break;
    case 4: if (!ram) *(volatile u8 *)at = (u8)v; break;
    case 5: if (!ram) *(volatile u16 *)at = (u16)v; break;
    case 6: if (!ram) *(volatile u32 *)at = (u32)v; break;
    case 7: if (!ram) *(volatile u64 *)at = v; break;
    case 8: if (!ram) __asm__ volatile("lock xaddl %k0, (%1)" : "+r"(v) : "r"(at) : "memory"); break;
    default: if (!ram) __asm__ volatile("orl %k0, (%1)" :: "r"(v), "r"(at) : "memory"); break;
  }
}

static const u32 msrs[] = {
  0x0, 0x10, 0x17, 0x1b, 0x2f, 0x3a, 0x3b, 0x48, 0x49, 0x79, 0x8b, 0xc1, 0xcd, 0xce, 0xe2, 0xfe,
  0x10a, 0x10b, 0x122, 0x140, 0x174, 0x175, 0x176, 0x179, 0x17a, 0x17b, 0x186, 0x198, 0x19a, 0x1a0,
  0x1d9, 0x1db, 0x200, 0x20f, 0x250, 0x258, 0x268, 0x277, 0x2ff, 0x309, 0x345, 0x38d, 0x38f, 0x400,
  0x480, 0x491, 0x4e0, 0x560, 0x6a0, 0x6a2, 0x6e0, 0x800, 0x802, 0x80b, 0x830, 0x8ff, 0xc80, 0xd90,
  0xda0, 0x1a0, 0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d05, 0x4b564d06,
  0x40000000, 0x40000001, 0x40000020, 0x40000070, 0x40000080, 0xc0000080, 0xc0000081, 0xc0000082,
  0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0000104, 0xc0010000,
  0xc0010004, 0xc0010010, 0xc0010015, 0xc001001f, 0xc0010055, 0xc0010058, 0xc0010062, 0xc0010063,
  0xc0010064, 0xc0010111, 0xc0010112, 0xc0010114, 0xc0010117, 0xc0010140, 0xc0010200, 0xc0011020,
  0xc0011022, 0xc0011023, 0xc0011028, 0xc0011029, 0xc001102a, 0xc0011036,
};

static void msr_access(void) {
  static const u32 bases[] = {0, 0, 0xc0000000, 0xc0010000, 0x40000000, 0x4b564d00};
  u32 index = below(3) ? msrs[below(sizeof msrs / sizeof *msrs)]
      : below(8) ? bases[below(6)] + below(0x2000) : (u32)random64();
  if (below(3) == 0) {
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return;
  }
  u64 v = value();
  if (index == 0xc0000080 && (calm || below(64))) {
    v = 0x500 | (v & ~0x100UL & ~0x400UL);  /* long mode stays on */
  }
  __asm__ volatile("wrmsr" :: "a"((u32)v), "d"((u32)(v >> 32)), "c"(index));
}

static void pci_access(void) {
  u32 register_ = below(4) ? PCI_DISK | (below(256) & ~3u) : (u32)random64();
  out32(0xcf8, register_);
  u16 port = 0xcfc + below(4);
  switch (below(6)) {
    case 0: in32(0xcfc); break;
    case 1: in8(port); break;
    case 2: out8(port, (u8)value()); break;
    case 3: out16(port, (u16)value()); break;
    default: out32(0xcfc, (u32)value()); break;
  }
}

static void place_window(void) {
  u32 bar = 0x10 + 4 * below(6);
  out32(0xcf8, PCI_DISK | bar);
  out32(0xcfc, below(4) ? (u32)WINDOW : (u32)value());
  out32(0xcf8, PCI_DISK | 4);
  out16(0xcfc, below(8) ? 6 : (u16)value());
}

static void window32(u32 at, u32 v) { *(volatile u32 *)(WINDOW + at) = v; }
static void window16(u32 at, u16 v) { *(volatile u16 *)(WINDOW + at) = v; }
static void window8(u32 at, u8 v) { *(volatile u8 *)(WINDOW + at) = v; }

/* As a driver does it; each step may go wrong. */
static void start_device(void) {
  u64 areas[3] = {(u64)ring.table, (u64)ring.available, (u64)ring.used};
  for (int bar = 0; bar < 6; bar++) {
    out32(0xcf8, PCI_DISK | (0x10 + 4 * bar));
    out32(0xcfc, (u32)WINDOW);
  }
  out32(0xcf8, PCI_DISK | 4);
  out16(0xcfc, 6);
  window8(20, 0);
  window8(20, 3);
  window32(8, 0);
  window32(12, below(4) ? 0 : (u32)value());
  window32(8, 1);
  window32(12, below(16) ? 1 : (u32)value());
  window8(20, 11);
  window16(22, below(16) ? 0 : (u16)value());
  window16(24, below(8) ? QUEUE_ENTRIES : (u16)value());
  for (int i = 0; i < 3; i++) {
    u64 area = below(32) ? areas[i] : value();
    window32(32 + 8 * i, (u32)area);
    window32(36 + 8 * i, (u32)(area >> 32));
  }
  window16(28, 1);
  window8(20, below(16) ? 15 : (u8)value());
  ring.available[0] = 0;
  ring.available[1] = 0;
}

/* Fills the ring with requests, sound ones and nonsense, and rings the bell. */
static void ring_requests(void) {
  u32 n = 1 + below(QUEUE_ENTRIES);
  for (u32 i = 0; i < n; i++) {
    struct descriptor *d = &ring.table[below(QUEUE_ENTRIES)];
    d->address = below(8) ? (u64)buffer + below(4096) : below(4) ? value() : below(0x800000);
    d->length = below(4) ? 512 * below(4) : below(2) ? below(64) : (u32)value();
    d->flags = below(8) ? below(4) : (u16)value();
    d->next = below(16) ? below(QUEUE_ENTRIES) : (u16)value();
    if (calm && d->address < 0x800000) {
      d->address = (u64)buffer + below(2048);
      d->length &= 2047;
    }
  }
  if (below(2)) {  /* a sound chain: header, data, status */
    ring.table[0] = (struct descriptor){(u64)buffer, 16, 1, 1};
    ring.table[1] = (struct descriptor){(u64)buffer + 512, 512 * (1 + below(4)), 1 | below(2) * 2, 2};
    ring.table[2] = (struct descriptor){(u64)buffer + 4096, 1, 2, 0};
    *(u32 *)buffer = below(8) ? below(2) : below(4) ? 4 + below(12) : (u32)value();
    *(u64 *)(buffer + 8) = below(8) ? below(64) : value();
  }
  ring.available[2 + ring.available[1] % QUEUE_ENTRIES] = below(2) ? 0 : below(QUEUE_ENTRIES + 1);
  ring.available[1] += below(16) ? 1 : (u16)value();
  window16(NOTIFY + 4 * (below(16) ? 0 : below(8)), 0);
}

static void device_access(void) {
  u32 at = below(60);
  switch (below(4)) {
    case 0: window8(at, (u8)value()); break;
    case 1: window16(at, (u16)value()); break;
    case 2: window32(at & ~3u, (u32)value()); break;
    default: (void)*(volatile u32 *)(WINDOW + (below(0x4000) & ~3u)); break;
  }
}

/* Changes control or debug registers, if the CPU lets it; "survive" puts them right. */
static void control_registers(void) {
  u64 v;
  switch (below(9)) {
    case 0:
      __asm__ volatile("mov %%cr0, %0" : "=r"(v));
      __asm__ volatile("mov %0, %%cr0" :: "r"(v ^ 1UL << below(64)));
      break;
    case 1:
      __asm__ volatile("mov %%cr4, %0" : "=r"(v));
      __asm__ volatile("mov %0, %%cr4" :: "r"(v ^ 1UL << below(64)));
      break;
    case 2:
      __asm__ volatile("mov %%cr3, %0" : "=r"(v));
      __asm__ volatile("mov %0, %%cr3" :: "r"(v ^ (below(2) ? below(4096) : 1UL << (52 + below(12)))));
      break;
    case 3:
      __asm__ volatile("mov %0, %%cr8" :: "r"((u64)below(20)));
      break;
    case 4:
      __asm__ volatile("mov %0, %%cr2" :: "r"(value()));
      break;
    case 5:
      v = value();
      switch (below(6)) {
        case 0: __asm__ volatile("mov %0, %%dr0" :: "r"(v)); break;
        case 1: __asm__ volatile("mov %0, %%dr1" :: "r"(v)); break;
        case 2: __asm__ volatile("mov %0, %%dr2" :: "r"(v)); break;
        case 3: __asm__ volatile("mov %0, %%dr3" :: "r"(v)); break;
        case 4: __asm__ volatile("mov %0, %%dr6" :: "r"(v)); break;
        default: __asm__ volatile("mov %0, %%dr7" :: "r"(v)); break;
      }
      break;
    case 6:
      __asm__ volatile("mov %%dr6, %0" : "=r"(v));
      break;
    case 7:
      __asm__ volatile("clts");
      break;
    default:
      __asm__ volatile("invlpg (%0)" :: "r"(value()) : "memory");
      break;
  }
}

struct pointer { u16 limit; u64 base; } __attribute__((packed));
extern struct pointer gdt_register, idt_register;

static void descriptor_tables(void) {
  struct pointer wild = {(u16)value(), value()};
  u16 selector = below(2) ? 8 * below(8) + below(4) : (u16)value();
  switch (below(7)) {
    case 0:
      __asm__ volatile("lgdt %0; lgdt %1" :: "m"(wild), "m"(gdt_register));
      break;
    case 1:
      __asm__ volatile("lidt %0; lidt %1" :: "m"(wild), "m"(idt_register));
      break;
    case 2: __asm__ volatile("lldt %0" :: "r"(selector)); break;
    case 3: __asm__ volatile("ltr %0" :: "r"(selector)); break;
    case 4: __asm__ volatile("mov %0, %%ds; mov %0, %%es" :: "r"((u32)selector)); break;
    case 5: __asm__ volatile("mov %0, %%fs; mov %0, %%gs" :: "r"((u32)selector)); break;
    default: __asm__ volatile("mov %0, %%ss; nop" :: "r"((u32)selector)); break;
  }
}

/* Both PICs from the start, IRQ 0 alone, and one tick: so that HLT ends. */
static void ask_for_tick(void) {
  static const u16 setup[][2] = {
    {0x20, 0x11}, {0xa0, 0x11}, {0x21, 0x20}, {0xa1, 0x28}, {0x21, 4}, {0xa1, 2}, {0x21, 1},
    {0xa1, 1}, {0x21, 0xfe}, {0xa1, 0xff}, {0x43, 0x30}, {0x40, 0}, {0x40, 1},
  };
  for (u32 i = 0; i < sizeof setup / sizeof *setup; i++) {
    out8(setup[i][0], (u8)setup[i][1]);
  }
}

static void interrupts(void) {
  switch (below(8)) {
    case 0:
      ask_for_tick();
      __asm__ volatile("sti; hlt");
      break;
    case 1:
      ask_for_tick();
      __asm__ volatile("sti; nop; nop; nop; nop; nop; nop; nop; nop; cli");
      break;
    case 2:
      __asm__ volatile("sti; nop; cli");
      break;
    default:
      __asm__ volatile("push %0; popfq; nop; nop; pushq $2; popfq"
          :: "r"(value() & (below(4) ? 0x40dd7UL : ~0UL)) : "cc", "memory");
      break;
  }
}

/* Most of these end in a triple fault, an error of KVM's, a guest that stands, or a reset. */
static void kill(void) {
  struct pointer none = {0, 0};
  u64 at = below(2) ? address() : (u64)buffer;
  switch (below(7)) {
    case 0: __asm__ volatile("lidt %0; ud2" :: "m"(none)); break;
    case 1: __asm__ volatile("mov %0, %%cr3" :: "r"(below(0x800000) & ~4095UL)); break;
    case 2: __asm__ volatile("cli; hlt"); break;
    case 3:
      for (u32 i = 0; i < 256; i++) {
        buffer[i] = (u8)random64();
      }
      __asm__ volatile("call *%0" :: "r"(at) : "memory");
      break;
    case 4: __asm__ volatile("mov %0, %%rsp; push %0; ud2" :: "r"(value())); break;
    case 5: out8(below(2) ? 0x64 : 0x92, (u8)value()); break;
    default: *(volatile u64 *)((u64)below(0x800000) & ~7UL) = value(); break;
  }
}

void hostile_begin(u64 actions, u64 seed, u64 is_calm) {
  wanted = actions;
  calm = is_calm;
  state = seed * 0x9e3779b97f4a7c15UL;
  start_device();
}

/* The next action; 0 when there are no more. */
int hostile_act(void) {
  if (acted >= wanted) {
    out32(PROGRESS_PORT, (u32)acted);
    return 0;
  }
  if (++acted % PROGRESS_ACTIONS == 0) {
    out32(PROGRESS_PORT, (u32)acted);
  }
  if (!calm && below(KILL_ONE_IN) == 0) {
    kill();
    return 1;
  }
  switch (below(16)) {
    case 0: case 1: case 2: port_access(); break;
    case 3: string_access(); break;
    case 4: case 5: memory_access(); break;
    case 6: case 7: msr_access(); break;
    case 8: pci_access(); break;
    case 9: if (below(4)) device_access(); else if (below(4)) start_device(); else place_window(); break;
    case 10: case 11: ring_requests(); break;
    case 12: case 13: control_registers(); break;
    case 14: descriptor_tables(); break;
    default: interrupts(); break;
  }
  return 1;
}
