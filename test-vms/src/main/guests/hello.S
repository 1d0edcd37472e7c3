/*
 * hello: the smallest guest. A boot sector in real mode prints one line through the UART, one
 * polled byte at a time, and stops through the exit port with 0. It needs a CPU, a port bus and
 * nothing else: when it fails, look at the vCPU loop before any device.
 */
#include "guest.h"

    .code16
    .globl start
start:
    cli
    cld
    xor %ax, %ax
    mov %ax, %ds
    mov $message, %si
next:
    lodsb
    test %al, %al
    jz done
    mov %al, %bl
    mov $(COM1 + 5), %dx
wait:
    in %dx, %al
    test $LSR_THR_EMPTY, %al
    jz wait
    mov $COM1, %dx
    mov %bl, %al
    out %al, %dx
    jmp next
done:
    xor %al, %al
    out %al, $EXIT_PORT
stop:
    hlt
    jmp stop

message:
    .asciz "hello from 16-bit real mode\r\n"
