/*
 * clock: prints what RDTSC says, TURNS times. Lockstep rewrites the instruction when it loads the
 * kernel; without that a replay reads another clock, and prints other numbers.
 */
#include "guest.h"

#define TURNS 20

    .code64
    .text
    .globl main
main:
    mov $TURNS, %r15d
1:  rdtsc
    shl $32, %rdx
    or %rdx, %rax
    call put_hex
    say "\r\n"
    dec %r15d
    jnz 1b
    xor %eax, %eax
    ret
