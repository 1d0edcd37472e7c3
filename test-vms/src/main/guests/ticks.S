/*
 * ticks: timer interrupts into a loop that never leaves the guest. The PIT fires 100 times a
 * second while a counting loop at CPL0 makes no exit at all, so each interrupt gets in only if the
 * monitor stops the vCPU from outside. Prints how many interrupts came and how often the loop
 * turned. The second number differs from run to run: a replay must give the same one again.
 *
 * Option: ticks=N, how many interrupts to wait for (20).
 */
#include "guest.h"

#define DEFAULT_TICKS   20
#define RATE_HZ         100
/* With a dead timer the guest gives up after 2^32 turns: some seconds at native speed. */
#define GIVE_UP_BIT     32

    .code64
    .text
    .globl main
main:
    mov $DEFAULT_TICKS, %eax
    mov $ticks_option, %esi
    call option
    mov %rax, wanted
    mov $(IRQ_BASE + IRQ_TIMER), %edi
    mov $timer_interrupt, %esi
    call set_gate
    mov $0xfffe, %eax
    call pic_init
    mov $(PIT_HZ / RATE_HZ), %eax
    call pit_init
    mov wanted, %rcx
    xor %ebp, %ebp
    sti
1:  inc %rbp
    bt $GIVE_UP_BIT, %rbp
    jc 2f
    cmp %rcx, ticks
    jb 1b
2:  cli
    mov $0xffff, %eax
    call pic_init
    say "ticks: "
    mov ticks, %rax
    call put_decimal
    say " timer interrupts, "
    mov %rbp, %rax
    call put_decimal
    say " turns of the loop\r\n"
    mov ticks, %rax
    cmp wanted, %rax
    mov $EXIT_FAILED, %eax
    jb 3f
    xor %eax, %eax
3:  ret

/* Counts up to the wanted number only: on a slow machine more can come before the timer is off. */
timer_interrupt:
    push %rax
    mov ticks, %rax
    cmp wanted, %rax
    jae 1f
    incq ticks
1:
    mov $PIC_EOI, %al
    out %al, $PIC_MASTER
    pop %rax
    iretq

    .section .rodata
ticks_option:
    .asciz "ticks="

    .bss
    .balign 8
ticks:
    .skip 8
wanted:
    .skip 8
