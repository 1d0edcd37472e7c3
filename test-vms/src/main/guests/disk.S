/*
 * disk: writes numbered blocks of 4 KiB to a virtio disk, flushes, reads them back and compares.
 * Word w of block b is b << 32 | w. Without a disk it says so and ends.
 */
#include "guest.h"
#include "virtio-blk.h"

#define BLOCKS          64

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
    xor %eax, %eax
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

    .bss
    .balign PAGE
buffer:
    .skip 8 * BLOCK_WORDS
