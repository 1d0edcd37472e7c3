/*
 * bank: numbered transactions. Each is written to a virtio disk, flushed, and only then printed, so
 * that whoever has read a number may rely on it for ever. Transaction n is a block of 4 KiB, word w
 * being n << 32 | w, in slot n mod 256; between two there is a little work for the CPU. A q on the
 * console ends it. Without a disk it says so and ends.
 *
 * Option: work=N, how many turns of that work (20000, some 50 ms where kernel code is emulated).
 */
#include "guest.h"
#include "virtio-blk.h"

#define SLOTS           256
#define WORK_TURNS      20000

    .code64
    .text
    .globl main
main:
    call find_disk
    jz 2f
    say "bank: no disk\r\n"
    xor %eax, %eax
    ret
2:  call find_parts
    call map_window
    call start_device
    jnz failed
    mov $WORK_TURNS, %eax
    mov $work_option, %esi
    call option
    mov %eax, turns
    say "bank: open\r\n"
    mov $1, %r14d
next:
    call work
    call transaction
    jnz failed
    say "bank: "
    mov %r14, %rax
    call put_decimal
    say "\r\n"
    mov $(COM1 + 5), %edx
    in %dx, %al
    test $LSR_DATA_READY, %al
    jz 3f
    mov $COM1, %edx
    in %dx, %al
    cmp $'q', %al
    je closed
3:  inc %r14
    jmp next
closed:
    say "bank: closed\r\n"
    xor %eax, %eax
    ret
failed:
    say "bank: the disk refuses\r\n"
    mov $EXIT_FAILED, %eax
    ret

/* Something to calculate. RAX, RCX. */
work:
    mov turns, %ecx
    mov %r14, %rax
    jrcxz 2f
1:  imul $1103515245, %rax, %rax
    add $12345, %rax
    dec %ecx
    jnz 1b
2:  mov %rax, account
    ret

/* Brings transaction R14 to the medium. Not zero: the disk failed. */
transaction:
    mov %r14, %rax
    shl $32, %rax
    mov $buffer, %edi
    mov $BLOCK_WORDS, %ecx
1:  mov %rax, (%rdi)
    inc %rax
    add $8, %rdi
    dec %ecx
    jnz 1b
    mov %r14, %rbx
    and $(SLOTS - 1), %ebx
    mov $TYPE_OUT, %eax
    call request
    jnz 9f
    mov $TYPE_FLUSH, %eax
    xor %ebx, %ebx
    call request
9:  ret

    .data
    .balign 8
account:
    .quad 0
turns:
    .long 0
work_option:
    .asciz "work="

    .bss
    .balign PAGE
buffer:
    .skip 8 * BLOCK_WORDS
