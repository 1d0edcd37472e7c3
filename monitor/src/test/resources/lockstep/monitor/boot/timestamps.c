/*
 * Compiled by TextRewriterTest: RDTSC, RDTSCP and CPUID between bytes that look like them.
 * Linked at a fixed address like a kernel; never run.
 */
#define RDTSC() __asm__ volatile("rdtsc" ::: "eax", "edx")
#define RDTSCP() __asm__ volatile("rdtscp" ::: "eax", "ecx", "edx")
#define CPUID() __asm__ volatile("cpuid" ::: "eax", "ebx", "ecx", "edx")

volatile unsigned int sink;
volatile unsigned long wide_sink;
static char area[0x4000];

/* Immediates, displacements and addresses that hold the pairs. */
int immediates(int x) {
  sink = 0x310f310f;
  sink = x + 0x00310f00;
  wide_sink = 0xa20f310ff9010f31UL;
  if (x == 0x0000310f) RDTSC();
  if (x == 0xa20f) CPUID();
  area[0x310f] = 1;
  area[x + 0x0ff9] = 2;
  RDTSC();
  return x * 0x310f;
}

int in_switch(int x) {
  switch (x) {
    case 0: RDTSC(); return 3;
    case 1: CPUID(); return 1;
    case 2: RDTSCP(); return 4;
    case 3: return 0x310f;
    case 4: RDTSC(); RDTSC(); return 5;
    case 5: return 0xa20f;
    default: return x;
  }
}

/* What the assembler may place around them. */
__asm__(
    ".text\n.globl shapes\n.type shapes,@function\nshapes:\n"
    "lfence\nrdtsc\n"
    "mov $0x310f310f310f310f,%rax\nrdtsc\n"
    "push $0x310f\nrdtscp\n"
    "movb $0x0f,%al\nxor %esi,(%rdi)\n" /* b0 0f 31 37: the pair across two instructions */
    ".byte 0x66,0x0f,0x31\n"            /* with a prefix that would change the replacement */
    "vpshufd $0x31,(%rdi),%xmm1\ncpuid\n"
    "movabs 0x310f310f310f310f,%eax\nrdtsc\n"
    "jmp 1f\n.fill 13,1,0xcc\n1: cpuid\nret\n"
    ".size shapes,.-shapes\n"
    /* A table in text puts a sweep out of step: here its last byte begins a MOV imm64. */
    "table: .byte 0x06,0x0f,0x31,0x48,0xb8\n"
    ".globl after_table\n.type after_table,@function\nafter_table:\nrdtsc\ncpuid\nret\n"
    ".size after_table,.-after_table\n"
    ".section .altinstr_replacement,\"ax\"\nrdtscp\nlfence\nrdtsc\nmov $0x310f,%eax\n"
    ".section .init.text,\"ax\"\nrdtsc\nret\n"
    ".section .rodata\n.byte 0x0f,0x31\n.text\n");

void _start(void) { immediates(in_switch(3)); }
