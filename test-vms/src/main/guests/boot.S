/*
 * What every Multiboot guest starts with: from the 32-bit entry into 64-bit long mode, then main.
 *
 * The guests do their work in long mode because a KVM that emulates kernel code need not emulate
 * all of 32-bit protected mode (one was seen without IRET there), while IRETQ works everywhere.
 * For the same reason no guest uses INT n, INT3, x87, SSE, POPCNT or CPUID.
 *
 * Memory: the first 4 GiB are mapped one to one, 2 MiB a page, open to CPL3. All accessed and
 * dirty bits are set beforehand, so that the CPU never writes to these tables.
 *
 * main is called with interrupts off and returns the exit code in EAX.
 */
#include "guest.h"

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 0x00000003      /* modules page-aligned, memory map wanted */
#define MULTIBOOT_BOOTED 0x2badb002

#define CR0_PG          0x80000000
#define CR4_PAE         0x20
#define MSR_EFER        0xc0000080
#define EFER_LME        0x100

#define PTE_TABLE       0x27            /* present, writable, user, accessed */
#define PTE_2M          0xe7            /* the same, dirty, 2 MiB page */

/* Room for one of exception_stubs. */
#define EXCEPTION_STUB_SIZE 16
#define GATE_INTERRUPT  0x8e00          /* present, DPL 0, 64-bit interrupt gate */

    .section .multiboot, "a"
    .balign 4
    .long MULTIBOOT_MAGIC
    .long MULTIBOOT_FLAGS
    .long -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

    .text
    .code32
    .globl _start
_start:
    cli
    cld
    mov $stack_top, %esp
    mov %eax, boot_magic
    mov %ebx, multiboot_info
    lgdt gdt_register
    mov $CR4_PAE, %eax
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME, %eax
    wrmsr
    mov %cr0, %eax
    or $CR0_PG, %eax
    mov %eax, %cr0
    ljmp $CODE64, $start64

    .code64
start64:
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $stack_top, %esp
    call tables_init
    call console_init
    cmpl $MULTIBOOT_BOOTED, boot_magic
    jne not_multiboot
    call main
    jmp guest_exit
not_multiboot:
    say "not started by a Multiboot loader\r\n"
    mov $EXIT_FAILED, %eax

/* Ends the machine with the code in AL. */
    .globl guest_exit
guest_exit:
    out %al, $EXIT_PORT
halt_forever:
    cli
    hlt
    jmp halt_forever

/* Loads the task register and an IDT whose exceptions all end in a report. */
tables_init:
    mov $tss, %eax
    mov %ax, gdt_tss + 2
    shr $16, %eax
    mov %al, gdt_tss + 4
    mov %ah, gdt_tss + 7
    mov $TSS_SELECTOR, %eax
    ltr %ax
    xor %ebx, %ebx
    mov $exception_stubs, %ebp
1:  mov %ebx, %edi
    mov %rbp, %rsi
    call set_gate
    add $EXCEPTION_STUB_SIZE, %ebp
    inc %ebx
    cmp $32, %ebx
    jb 1b
    lidt idt_register
    ret

/* Points vector EDI at the handler RSI. Clobbers RDI, RSI. */
    .globl set_gate
set_gate:
    shl $4, %edi
    mov %si, idt(%rdi)
    movw $CODE64, idt + 2(%rdi)
    movw $GATE_INTERRUPT, idt + 4(%rdi)
    shr $16, %rsi
    mov %si, idt + 6(%rdi)
    shr $16, %rsi
    mov %esi, idt + 8(%rdi)
    movl $0, idt + 12(%rdi)
    ret

/* One stub a vector, so that the report can name it; those with an error code push none. */
exception_stubs:
    .set vector, 0
    .rept 32
    .balign EXCEPTION_STUB_SIZE
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    push $0
    .endif
    push $vector
    jmp exception_report
    .set vector, vector + 1
    .endr

exception_report:
    pop %rbx
    pop %rcx
    pop %rbp
    mov %cr2, %r12
    say "\r\nexception "
    mov %rbx, %rax
    call put_decimal
    say ", error code "
    mov %rcx, %rax
    call put_hex
    say ", RIP "
    mov %rbp, %rax
    call put_hex
    say ", CR2 "
    mov %r12, %rax
    call put_hex
    say "\r\n"
    mov $EXIT_EXCEPTION, %eax
    jmp guest_exit

    .section .tables, "aw"
    .balign PAGE
pml4:
    .quad pdpt + PTE_TABLE
    .fill 511, 8, 0
    .globl pdpt
pdpt:
    .quad pd + PTE_TABLE
    .quad pd + PAGE + PTE_TABLE
    .quad pd + 2 * PAGE + PTE_TABLE
    .quad pd + 3 * PAGE + PTE_TABLE
    .fill 508, 8, 0
pd:
    .set frame, 0
    .rept 2048
    .quad frame + PTE_2M
    .set frame, frame + 0x200000
    .endr

    .data
    .balign 16
/* Flat segments, accessed bits set. */
gdt:
    .quad 0
    .quad 0x00af9b000000ffff            /* CODE64 */
    .quad 0x00cf93000000ffff            /* DATA */
    .quad 0x00cff3000000ffff            /* USER_DATA */
    .quad 0x00affb000000ffff            /* USER_CODE64 */
gdt_tss:
    .quad 0x0000890000000067            /* TSS_SELECTOR; tables_init fills in the base */
    .quad 0
gdt_end:
    .globl gdt_register
gdt_register:
    .word gdt_end - gdt - 1
    .quad gdt
    .balign 16
    .globl idt_register
idt_register:
    .word 256 * 16 - 1
    .quad idt
    .balign 16
/* Only RSP0 matters: where interrupts and exceptions from CPL3 put their frame. */
tss:
    .long 0
    .quad interrupt_stack_top
    .fill 92, 1, 0
    .word 104, 0
boot_magic:
    .long 0
    .balign 8
    .globl multiboot_info
multiboot_info:
    .quad 0

    .bss
    .balign PAGE
idt:
    .skip 256 * 16
    .skip PAGE
interrupt_stack_top:
    .skip PAGE
stack_top:
