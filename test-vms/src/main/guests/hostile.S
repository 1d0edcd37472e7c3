/*
 * hostile: a guest that does what it likes to registers, MSRs, ports, descriptors and memory, and
 * must never be more to the monitor than a guest that goes on, faults or ends. What it does next is
 * in hostile.c and depends on the seed alone. Every vector leads to "survive", which brings the CPU
 * back to a known state and goes on with the next action.
 *
 * Options: actions=N (20000), seed=N (1), calm=N (1: nothing that is meant to kill the guest).
 */
#include "guest.h"

    .code64
    .text
    .globl main
main:
    mov %cr0, %rax
    mov %rax, sound_cr0
    mov %cr3, %rax
    mov %rax, sound_cr3
    mov %cr4, %rax
    mov %rax, sound_cr4
    xor %ebx, %ebx
1:  mov %ebx, %edi
    mov $survive, %esi
    call set_gate
    inc %ebx
    cmp $256, %ebx
    jb 1b
    mov $20000, %eax
    mov $actions_option, %esi
    call option
    push %rax
    mov $1, %eax
    mov $seed_option, %esi
    call option
    push %rax
    mov $1, %eax
    mov $calm_option, %esi
    call option
    mov %rax, %rdx
    pop %rsi
    pop %rdi
    mov $hostile_stack_top, %esp
    call hostile_begin
    jmp act

/* What the CPU has from before may be anything; the frame on the stack is not looked at. */
survive:
    mov $hostile_stack_top, %rsp
    pushq $2
    popfq
    lgdt gdt_register
    lidt idt_register
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov %rax, %dr7
    mov sound_cr0, %rax
    mov %rax, %cr0
    mov sound_cr3, %rax
    mov %rax, %cr3
    mov sound_cr4, %rax
    mov %rax, %cr4
    incq survived
act:
    cld
    call hostile_act
    test %eax, %eax
    jnz act
    say "\r\nhostile: "
    mov acted, %rax
    call put_decimal
    say " actions, "
    mov survived, %rax
    call put_decimal
    say " faults and interrupts\r\n"
    xor %eax, %eax
    jmp guest_exit

    .section .rodata
actions_option:
    .asciz "actions="
seed_option:
    .asciz "seed="
calm_option:
    .asciz "calm="

    .bss
    .balign 8
sound_cr0:
    .skip 8
sound_cr3:
    .skip 8
sound_cr4:
    .skip 8
survived:
    .skip 8
    .balign 16
    .skip 8192
hostile_stack_top:
