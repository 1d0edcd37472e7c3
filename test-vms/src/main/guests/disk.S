/*
 * disk: writes numbered blocks of 4 KiB to a virtio disk, flushes, reads them back and compares.
 * Word w of block b is b << 32 | w. Without a disk it says so and ends.
 *
 * Option: load=N, how many more requests of each kind to make, one after the other, for whoever
 * measures between two of the lines that it prints: writes and reads of 4 KiB, then of 64 KiB (0).
 */
#include "guest.h"
#include "virtio-blk.h"

#define BLOCKS          64
#define LARGE_BLOCKS    16              /* 64 KiB */
#define BLOCK_BYTES     (8 * BLOCK_WORDS)
#define DATA_LENGTH     (descriptors + 16 + 8)

    .code64
    .text
    .globl main
main:
    call find_disk
    jz 2f
    say "disk: no disk\r\n"
    xor %eax, %eax
    ret
2:  call find_parts
    call map_window
    call start_device
    jnz failed
    call write_blocks
    jnz failed
    mov $TYPE_FLUSH, %eax
    xor %ebx, %ebx
    call request
    jnz failed
    call read_blocks
    jnz failed
    say "disk: "
    mov $BLOCKS, %eax
    call put_decimal
    say " blocks written and read back, "
    mov %r14, %rax
    call put_decimal
    say " wrong words\r\n"
    mov $load_option, %esi
    xor %eax, %eax
    call option
    mov %rax, %r13
    test %r13, %r13
    jz 3f
    call load
    jnz failed
3:  xor %eax, %eax
    test %r14, %r14
    setnz %al
    ret
failed:
    say "disk: the device refuses\r\n"
    mov $EXIT_FAILED, %eax
    ret

/* Writes all blocks; not zero: a request failed. */
write_blocks:
    xor %ebx, %ebx
1:  mov %rbx, %rax
    shl $32, %rax
    mov $buffer, %edi
    mov $BLOCK_WORDS, %ecx
2:  mov %rax, (%rdi)
    inc %rax
    add $8, %rdi
    dec %ecx
    jnz 2b
    mov $TYPE_OUT, %eax
    call request
    jnz 9f
    inc %ebx
    cmp $BLOCKS, %ebx
    jb 1b
    xor %eax, %eax
9:  ret

/* Reads them all; R14 counts the wrong words. Not zero: a request failed. */
read_blocks:
    xor %r14d, %r14d
    xor %ebx, %ebx
1:  mov $buffer, %edi
    mov $BLOCK_WORDS, %ecx
2:  movq $-1, (%rdi)
    add $8, %rdi
    dec %ecx
    jnz 2b
    mov $TYPE_IN, %eax
    call request
    jnz 9f
    mov %rbx, %rax
    shl $32, %rax
    mov $buffer, %edi
    mov $BLOCK_WORDS, %ecx
3:  cmp %rax, (%rdi)
    je 4f
    inc %r14
4:  inc %rax
    add $8, %rdi
    dec %ecx
    jnz 3b
    inc %ebx
    cmp $BLOCKS, %ebx
    jb 1b
    xor %eax, %eax
9:  ret

/* R13 requests of each kind; not zero: one failed. All but R14, R15. */
load:
    say "load: 4 KiB write\r\n"
    mov $1, %r12d
    mov $TYPE_OUT, %ebp
    call many
    jnz 9f
    say "load: 4 KiB read\r\n"
    mov $TYPE_IN, %ebp
    call many
    jnz 9f
    movl $(LARGE_BLOCKS * BLOCK_BYTES), DATA_LENGTH
    mov $LARGE_BLOCKS, %r12d
    say "load: 64 KiB write\r\n"
    mov $TYPE_OUT, %ebp
    call many
    jnz 9f
    say "load: 64 KiB read\r\n"
    mov $TYPE_IN, %ebp
    call many
    jnz 9f
    say "load: end\r\n"
    xor %eax, %eax
9:  ret

/* R13 requests of type EBP, each of R12D blocks; not zero: one failed. RAX to RDX, RDI. */
many:
    xor %edi, %edi
1:  mov %edi, %ebx
    and $(BLOCKS - 1), %ebx
    imul %r12d, %ebx
    mov %ebp, %eax
    call request
    jnz 9f
    inc %rdi
    cmp %r13, %rdi
    jb 1b
    xor %eax, %eax
9:  ret

    .section .rodata
load_option:
    .asciz "load="

    .bss
    .balign PAGE
buffer:
    .skip LARGE_BLOCKS * BLOCK_BYTES
