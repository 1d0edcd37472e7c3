/*
 * hazards: what record and replay can get wrong at the boundary of one instruction
 * (docs/determinism.md, "Hazards"). Timer interrupts come all the time while one kind of
 * instruction is executed again and again; the guest itself checks what the architecture promises
 * of each interrupt and exception frame. Every interrupt's return address and the turn it came in
 * go into the number "mix", so a replay that delivers one an instruction late prints another.
 *
 * Options: test=N, the instructions (the table "turns"); ticks=N, interrupts to take (40).
 */
#include "guest.h"

#define DEFAULT_TICKS   40
#define TICK_COUNT      (PIT_HZ / 1000)
#define PIT_ONE_SHOT    0x30            /* channel 0, low then high byte, mode 0 */
/* With a dead timer the guest gives up: some seconds on a slow KVM. */
#define GIVE_UP_TURNS   0x100000

#define PORT_B          0x61
#define PIC_READ_IRR    0x0a
#define PIC_MASK        0x21
/* A rewritten RDTSC reads here; EDX:EAX, completed at its own exit. */
#define CLOCK_PORT      0xe4
#define CLOCK_READS     8
/* Between the RAM and 4 GiB: nothing is there, reads give ones. */
#define MMIO_BASE       0xc0000000
/* Not mapped: the tables end at 4 GiB. */
#define UNMAPPED        0x100000000
#define STRING_BYTES    24
#define COPY_BYTES      40
#define REFUSED_TURNS   16

#define FLAG_TF_BIT     8
#define FLAG_IF_BIT     9

#define VECTOR_DEBUG    1
#define VECTOR_BREAK    3
#define VECTOR_INVALID  6
#define VECTOR_PROTECTION 13
#define VECTOR_PAGE     14
#define VECTOR_SOFT     0x80

#define MSR_EFER        0xc0000080
#define MSR_STAR        0xc0000081
#define MSR_LSTAR       0xc0000082
#define MSR_SFMASK      0xc0000084
#define EFER_SCE        1
/* No CPU has it. */
#define MSR_NONE        0x1234

/* Bits of "errors". */
#define TF_IN_INTERRUPT 0x01
#define TF_IN_EXCEPTION 0x02
#define TF_IN_PUSHF     0x04
#define TF_IN_R11       0x08
#define IF_WAS_CLEAR    0x10            /* an interrupt came with interrupts off */
/* or between an instruction and the one in its shadow: */
#define IN_SHADOW1      0x20
#define IN_SHADOW2      0x100
#define IN_SHADOW3      0x200
#define IN_SHADOW4      0x400
#define WRONG_RESULT    0x40            /* an instruction ran twice, or not at all */
#define DEBUG_EXCEPTION 0x80            /* a single step was seen by the guest */

/* One, so that a slow host owes none: those would all come at the end of the handler. */
.macro ask_for_tick
    mov $PIT_ONE_SHOT, %al
    out %al, $PIT_COMMAND
    mov $(TICK_COUNT & 0xff), %al
    out %al, $PIT_CHANNEL0
    mov $(TICK_COUNT >> 8), %al
    out %al, $PIT_CHANNEL0
.endm

    .code64
    .text
    .globl main
main:
    mov $DEFAULT_TICKS, %eax
    mov $ticks_option, %esi
    call option
    mov %rax, wanted
    xor %eax, %eax
    mov $test_option, %esi
    call option
    mov %rax, test
    cmp $((turns_end - turns) / 8), %rax
    jae no_such_test
    mov turns(,%rax,8), %r15
    call gates_init
    mov $0xfffe, %eax
    call pic_init
    ask_for_tick
    xor %ebp, %ebp
/* R15 = the test's turn, RBP = turns so far; a turn keeps both and leaves interrupts on. */
1:  inc %rbp
    cmp $GIVE_UP_TURNS, %rbp
    jae 2f
    cli
    in $PIC_MASK, %al                   /* a tick that comes here is taken some steps later */
    nop
    sti
    nop
    call *%r15
    mov ticks, %rax
    cmp wanted, %rax
    jb 1b
2:  cli
    mov $0xffff, %eax
    call pic_init
    say "hazards: test "
    mov test, %rax
    call put_decimal
    say ", ticks "
    mov ticks, %rax
    call put_decimal
    say ", mix "
    mov mix, %rax
    call put_hex
    say ", errors "
    mov errors, %rax
    call put_hex
    say "\r\n"
    xor %eax, %eax
    mov ticks, %rcx
    cmp wanted, %rcx
    jb 3f
    cmpq $0, errors
    je 4f
3:  mov $EXIT_FAILED, %eax
4:  ret
no_such_test:
    say "hazards: no such test\r\n"
    mov $EXIT_FAILED, %eax
    ret

gates_init:
    mov $(IRQ_BASE + IRQ_TIMER), %edi
    mov $timer_interrupt, %esi
    call set_gate
    mov $VECTOR_DEBUG, %edi
    mov $debug_exception, %esi
    call set_gate
    mov $VECTOR_BREAK, %edi
    mov $trap, %esi
    call set_gate
    mov $VECTOR_SOFT, %edi
    mov $trap, %esi
    call set_gate
    mov $VECTOR_INVALID, %edi
    mov $skip_two, %esi
    call set_gate
    mov $VECTOR_PROTECTION, %edi
    mov $protection_fault, %esi
    call set_gate
    mov $VECTOR_PAGE, %edi
    mov $page_fault, %esi
    jmp set_gate

/* Interrupts off, then exits: a tick found at one of them cannot be taken before the next STI. */
.macro masked
    cli
    .rept 4
    in $PORT_B, %al
    .endr
.endm

/* Interrupts on, and exits at which a tick can be taken at once. */
.macro unmasked
    sti
    nop
    nop
    in $PORT_B, %al
    in $PORT_B, %al
.endm

/* Notes an error unless the condition holds. */
.macro check condition, error
    j\condition .Lok\@
    orq $\error, errors
.Lok\@:
.endm

/* Notes an error if the flags at the address have TF set. */
.macro check_tf flags, error
    btq $FLAG_TF_BIT, \flags
    check nc, \error
.endm

/*
 * Port instructions of all kinds, and MMIO into a register: each must happen once. Every other turn
 * has interrupts off, so that an interrupt is looked for behind each of them.
 */
ports_turn:
    unmasked
    test $1, %bpl
    jz 1f
    cli
1:
    mov $buffer, %edi
    mov $STRING_BYTES, %ecx
    mov $PIT_CHANNEL0, %edx
    rep insb                            /* the running timer: each byte asks for the time */
    cmp $(buffer + STRING_BYTES), %rdi
    check e, WRONG_RESULT
    test %rcx, %rcx
    check z, WRONG_RESULT
    mov $buffer, %esi
    mov $(STRING_BYTES / 4), %ecx
    mov $0x80, %edx
    rep outsl
    cmp $(buffer + STRING_BYTES), %rsi
    check e, WRONG_RESULT
    in $PIT_CHANNEL0, %al
    add %al, mix
    mov $MMIO_BASE, %esi
    xor %eax, %eax
    mov (%rsi), %rax
    cmp $-1, %rax
    check e, WRONG_RESULT
    mov $1, %eax
    add (%rsi), %eax
    check z, WRONG_RESULT
    mov $buffer, %edi
    movsl                               /* from MMIO into memory */
    cmp $(MMIO_BASE + 4), %esi
    check e, WRONG_RESULT
    cmp $(buffer + 4), %rdi
    check e, WRONG_RESULT
    push %rbp
    add $3, %rsi
    mov %rbp, (%rsi)                    /* 8 bytes that cross a dword */
    pop %rbp
    sti
    nop
    ret

/* STI with an interrupt waiting in the PIC, then a loop without exits until it was taken. */
window_turn:
    cli
    mov $PIC_READ_IRR, %al
    out %al, $PIC_MASTER
1:  in $PIC_MASTER, %al
    test $(1 << IRQ_TIMER), %al
    jz 1b
    mov ticks, %rax
    xor %ecx, %ecx
    sti
2:  inc %ecx
    cmp %rax, ticks
    je 2b
    ret

/* What PUSHF and the frames of exceptions save while a tick waits. */
flags_turn:
    masked
    pushfq
    pop %rax
    test $(1 << FLAG_TF_BIT), %eax
    check z, TF_IN_PUSHF
    pushfw
    check_tf (%rsp), TF_IN_PUSHF
    add $2, %rsp
    pushfq
    popfq
    unmasked
    masked
    ud2
    mov $UNMAPPED, %rsi
    mov $7, %eax
    mov (%rsi), %eax                    /* the handler skips it */
    cmp $7, %eax
    check e, WRONG_RESULT
    unmasked
    masked
    pushfq
    orq $(1 << FLAG_IF_BIT), (%rsp)
    popfq                               /* on, and no shadow */
    nop
    ret

/* Nothing may come between these instructions and the next. */
shadows_turn:
    masked
    sti
no_interrupt1:
    cli
    mov %ss, %ecx
    unmasked
    mov %ecx, %ss
no_interrupt2:
    nop
    push %rcx
    in $PORT_B, %al
    masked
    sti
no_interrupt3:
    mov %ecx, %ss                       /* two in a row: the second shadow need not hold */
    nop
    in $PORT_B, %al
    pop %rcx
    masked
    mov ticks, %rax
    sti
no_interrupt4:
    hlt                                 /* a tick taken before it would be waited for in vain */
    cmp ticks, %rax
    check ne, WRONG_RESULT
    ret

/* An instruction that KVM does itself, then one that must not be lost. */
cpuid_turn:
    mov %rbp, %rdi
    masked
    xor %eax, %eax
    cpuid
    inc %rdi
    xor %eax, %eax
    cpuid
    inc %rdi
    cpuid
    unmasked
    sub $2, %rdi
    cmp %rdi, %rbp
    check e, WRONG_RESULT
    ret

/* String instructions with a count: may be interrupted between any two turns of theirs. */
rep_turn:
    mov %ebp, %eax
    mov $buffer, %edi
    mov $COPY_BYTES, %ecx
    unmasked
    mov %ebp, %eax
    rep stosb
    masked
    mov $buffer, %esi
    mov $(buffer + COPY_BYTES), %edi
    mov $COPY_BYTES, %ecx
    rep movsb
    cmp $(buffer + COPY_BYTES), %rsi
    check e, WRONG_RESULT
    cmp $(buffer + 2 * COPY_BYTES), %rdi
    check e, WRONG_RESULT
    test %rcx, %rcx
    check z, WRONG_RESULT
    unmasked
    masked
    mov %ebp, %eax
    mov $buffer, %edi
    mov $(2 * COPY_BYTES + 1), %ecx
    movb $0, buffer + 2 * COPY_BYTES
    repe scasb
    test %bpl, %bpl
    jz 1f
    cmp $(buffer + 2 * COPY_BYTES + 1), %rdi
    check e, WRONG_RESULT
1:  unmasked
    masked
    movsb
    unmasked
    ret

/* Ticks come with interrupts off and stay pending for hundreds of instructions, exits among them. */
masked_turn:
    cli
    mov $8, %ecx
1:  in $PORT_B, %al
    mov $30, %edx
2:  dec %edx
    jnz 2b
    dec %ecx
    jnz 1b
    unmasked
    ret

/* Software interrupts save RFLAGS too. */
traps_turn:
    masked
    int $VECTOR_SOFT
    unmasked
    cmpq $1, traps
    check e, WRONG_RESULT
    movq $0, traps
    ret

/* So does INT3, which some KVMs need help with; most of these have no exit near. */
break_turn:
    masked
    int3
    unmasked
    mov $100, %ecx
1:  int3
    dec %ecx
    jnz 1b
    cmpq $101, traps
    check e, WRONG_RESULT
    movq $0, traps
    ret

/* SYSCALL saves RFLAGS in R11; it may be executed at CPL 0, with nothing changed but CS and SS. */
syscall_turn:
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_SCE, %eax
    wrmsr
    mov $MSR_STAR, %ecx
    xor %eax, %eax
    mov $CODE64, %edx
    wrmsr
    mov $MSR_LSTAR, %ecx
    mov $syscall_entry, %eax
    xor %edx, %edx
    wrmsr
    mov $MSR_SFMASK, %ecx
    xor %eax, %eax
    wrmsr
    masked
    syscall
    unmasked
    ret
syscall_entry:
    test $(1 << FLAG_TF_BIT), %r11d
    check z, TF_IN_R11
    pushfq
    check_tf (%rsp), TF_IN_PUSHF
    add $8, %rsp
    push %r11
    popfq
    jmp *%rcx

/* Exits whose instruction ends in #GP: an interrupt must not take its place, nor get lost by it. */
refused_turn:
    masked
    unmasked
    movq $0, traps
    mov $MSR_NONE, %ecx
    mov $REFUSED_TURNS, %ebx
1:  rdmsr
    wrmsr
    dec %ebx
    jnz 1b
    cmpq $(2 * REFUSED_TURNS), traps
    check e, WRONG_RESULT
    movq $0, traps
    ret

/* The same with #PF: what was read at a port or from MMIO has nowhere to go. */
faults_turn:
    masked
    unmasked
    movq $0, traps
    mov $REFUSED_TURNS, %ebx
1:  mov $UNMAPPED, %rdi
    mov $PORT_B, %edx
    insw
    mov $UNMAPPED, %rdi
    mov $MMIO_BASE, %esi
    movsw
    dec %ebx
    jnz 1b
    cmpq $(2 * REFUSED_TURNS), traps
    check e, WRONG_RESULT
    movq $0, traps
    ret

/*
 * The clock's port: with an interrupt that cannot be taken yet, so that steps lead through the
 * reading, and where it can be taken at once. Time never goes back.
 */
clock_turn:
    cli
    in $PIC_MASK, %al
    call read_clock
    sti
    nop
    mov $CLOCK_READS, %ebx
1:  call read_clock
    dec %ebx
    jnz 1b
    ret

read_clock:
    in $CLOCK_PORT, %eax
    shl $32, %rdx
    or %rdx, %rax
    cmp clock, %rax
    check ae, WRONG_RESULT
    mov %rax, clock
    ret

/* Offsets in the frame below two pushed registers. */
#define FRAME_RIP       16
#define FRAME_RFLAGS    32

timer_interrupt:
    push %rax
    push %rbx
    check_tf FRAME_RFLAGS(%rsp), TF_IN_INTERRUPT
    btq $FLAG_IF_BIT, FRAME_RFLAGS(%rsp)
    check c, IF_WAS_CLEAR
    mov FRAME_RIP(%rsp), %rax
    cmp $no_interrupt1, %rax
    check ne, IN_SHADOW1
    cmp $no_interrupt2, %rax
    check ne, IN_SHADOW2
    cmp $no_interrupt3, %rax
    check ne, IN_SHADOW3
    cmp $no_interrupt4, %rax
    check ne, IN_SHADOW4
    mov mix, %rbx
    rol $5, %rbx
    add %rax, %rbx
    xor %rcx, %rbx
    rol $7, %rbx
    add %rbp, %rbx
    mov %rbx, mix
    incq ticks
    ask_for_tick
    mov $PIC_EOI, %al
    out %al, $PIC_MASTER
    pop %rbx
    pop %rax
    iretq

/* UD2: goes on behind it. */
skip_two:
    check_tf 16(%rsp), TF_IN_EXCEPTION
    addq $2, (%rsp)
    iretq

/* An instruction of two bytes at fault: these have an error code. */
protection_fault:
page_fault:
    add $8, %rsp
    incq traps
    jmp skip_two

trap:
    check_tf 16(%rsp), TF_IN_EXCEPTION
    incq traps
    iretq

debug_exception:
    orq $DEBUG_EXCEPTION, errors
    andq $~(1 << FLAG_TF_BIT), 16(%rsp)
    iretq

    .section .rodata
    .balign 8
turns:
    .quad ports_turn, window_turn, flags_turn, shadows_turn, cpuid_turn, rep_turn, masked_turn
    .quad traps_turn, syscall_turn, break_turn, refused_turn, faults_turn
    .quad clock_turn
turns_end:
ticks_option:
    .asciz "ticks="
test_option:
    .asciz "test="

    .bss
    .balign 8
ticks:
    .skip 8
wanted:
    .skip 8
test:
    .skip 8
clock:
    .skip 8
mix:
    .skip 8
errors:
    .skip 8
traps:
    .skip 8
buffer:
    .skip 128
