/*
 * bank: numbered transactions. Each is written to a virtio disk, flushed, and only then printed, so
 * that whoever has read a number may rely on it for ever. Transaction n is a block of 4 KiB, word w
 * being n << 32 | w, in slot n mod 256; between two there is a little work for the CPU. A q on the
 * console ends it. Without a disk it says so and ends.
 *
 * Options: work=N, how many turns of that work (20000, some 50 ms where kernel code is emulated);
 * slots=N, a power of two, 256 at most (256); flush=0 for transactions that are on the disk when their
 * write is complete (1); check=1 to read the block that is to be overwritten, and to end with 1 if it
 * is not transaction n - slots (0). With few slots that shows lost, stale and late writes soon.
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
    mov $SLOTS, %eax
    mov $slots_option, %esi
    call option
    dec %eax
    and $(SLOTS - 1), %eax
    mov %eax, slot_mask
    mov $1, %eax
    mov $flush_option, %esi
    call option
    mov %eax, flushes
    xor %eax, %eax
    mov $check_option, %esi
    call option
    mov %eax, checks
    say "bank: open\r\n"
    mov $1, %r14d
next:
    call work
    cmpl $0, checks
    je 1f
    call check
    jnz failed
    jc wrong
1:  call transaction
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

wrong:
    say "bank: transaction "
    mov %r14, %rax
    call put_decimal
    say " finds another block than it should, with word "
    mov wrong_word, %rax
    call put_hex
    say "\r\n"
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
    and slot_mask, %ebx
    mov $TYPE_OUT, %eax
    call request
    jnz 9f
    cmpl $0, flushes
    je 8f
    mov $TYPE_FLUSH, %eax
    xor %ebx, %ebx
    call request
    ret
8:  xor %eax, %eax
9:  ret

/*
 * Reads the block that transaction R14 overwrites. Not zero: the disk failed. Carry set: it is not the
 * one that was written there last. All but R12 to R15.
 */
check:
    mov slot_mask, %ecx
    inc %ecx
    mov %r14, %rbp
    sub %rcx, %rbp
    jbe 8f                              /* nothing was written there yet */
    shl $32, %rbp
    mov %r14, %rbx
    and slot_mask, %ebx
    mov $TYPE_IN, %eax
    call request
    jnz 9f
    mov $buffer, %edi
    mov $BLOCK_WORDS, %ecx
1:  mov (%rdi), %rax
    cmp %rbp, %rax
    jne 2f
    inc %rbp
    add $8, %rdi
    dec %ecx
    jnz 1b
8:  xor %eax, %eax                      /* clears the carry, too */
    ret
2:  mov %rax, wrong_word
    xor %eax, %eax
    stc
    ret
9:  clc
    ret

    .data
    .balign 8
account:
    .quad 0
wrong_word:
    .quad 0
turns:
    .long 0
slot_mask:
    .long 0
flushes:
    .long 0
checks:
    .long 0
work_option:
    .asciz "work="
slots_option:
    .asciz "slots="
flush_option:
    .asciz "flush="
check_option:
    .asciz "check="

    .bss
    .balign PAGE
buffer:
    .skip 8 * BLOCK_WORDS
