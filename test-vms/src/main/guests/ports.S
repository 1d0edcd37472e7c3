/*
 * ports: a guest that goes wild. Reads and writes random ports (bytes, words, double words and
 * strings, half of them where the PC's devices are) and random addresses between 3 and 4 GiB,
 * where there is no RAM. Nothing it does may stop the monitor or grow its memory. The sequence
 * depends on the seed alone.
 *
 * It stays away from the ports that would end it (exit port, resets) and does not write to the
 * transmit register, so that it does not spoil the terminal; interrupts stay off.
 *
 * Options: accesses=N (20000), seed=N (1).
 */
#include "guest.h"

#define DEFAULT_ACCESSES 20000
#define DEFAULT_SEED    1
#define DEVICE_PORTS    0x3ff
#define MMIO_BASE       0xc0000000
/* The highest start that keeps 8 bytes below 4 GiB. */
#define MMIO_LAST       0xfffffff7
#define STRING_MAX      8

    .code64
    .text
    .globl main
main:
    mov $DEFAULT_SEED, %eax
    mov $seed_option, %esi
    call option
    mov %rax, %rbp
    mov %rax, seed
    mov $DEFAULT_ACCESSES, %eax
    mov $accesses_option, %esi
    call option
    mov %rax, %r15
    mov %rax, accesses
    call mark_ports
    mov $6364136223846793005, %r12
    mov $1442695040888963407, %r13
    test %r15, %r15
    jz finished
/* RBP is the generator, its high bits the good ones: 63..61 kind, 60 range, 47..32 port. */
next:
    imul %r12, %rbp
    add %r13, %rbp
    mov %rbp, %rbx
    shr $61, %rbx
    mov %rbp, %rdx
    shr $32, %rdx
    mov %rbp, %rax
    shr $16, %rax
    jmp *kinds(,%rbx,8)

finished:
    call console_init
    say "\r\nports: survived "
    mov accesses, %rax
    call put_decimal
    say " accesses with seed "
    mov seed, %rax
    call put_decimal
    say "\r\n"
    xor %eax, %eax
    ret

/*
 * Gives every flag a value before an exit shows them. IMUL, SHR, AND and BT leave some open, and
 * CPUs fill these in differently: a recording would replay on the like of its own CPU only.
 */
.macro define_flags
    cmp %eax, %eax
.endm

/* DX = the port; goes on with the next access when it is one to stay away from. */
.macro pick_port closed
    bt $28, %edx
    jnc 1f
    and $DEVICE_PORTS, %edx
1:  movzwl %dx, %edx
    bt %edx, \closed
    jc again
    define_flags
.endm

again:
    dec %r15
    jnz next
    jmp finished

read_byte:
    pick_port read_closed
    in %dx, %al
    jmp again
read_word:
    pick_port read_closed
    in %dx, %ax
    jmp again
read_long:
    pick_port read_closed
    in %dx, %eax
    jmp again
write_byte:
    pick_port write_closed
    out %al, %dx
    jmp again
write_word:
    pick_port write_closed
    out %ax, %dx
    jmp again
write_long:
    pick_port write_closed
    out %eax, %dx
    jmp again

/* A string of 1 to 8 elements; bits 8..11 of RAX say which kind. */
string:
    mov %eax, %ecx
    and $(STRING_MAX - 1), %ecx
    inc %ecx
    mov $buffer, %esi
    mov $buffer, %edi
    bt $8, %eax
    jc string_out
    pick_port read_closed
    bt $9, %eax
    jc 2f
    define_flags
    rep insb
    jmp again
2:  define_flags
    rep insl
    jmp again
string_out:
    pick_port write_closed
    bt $9, %eax
    jc 2f
    define_flags
    rep outsb
    jmp again
2:  define_flags
    rep outsl
    jmp again

/* An access of 1, 2, 4 or 8 bytes at any alignment: the address from RDX, its last bit from RAX. */
mmio:
    mov %eax, %esi
    shr $12, %esi
    and $1, %esi
    lea (%rsi,%rdx,2), %esi
    or $MMIO_BASE, %esi
    mov $MMIO_LAST, %edi
    cmp %edi, %esi
    cmova %edi, %esi
    mov %eax, %ecx
    and $7, %ecx
    define_flags
    jmp *mmio_kinds(,%rcx,8)
mmio_read_byte:
    mov (%rsi), %al
    jmp again
mmio_read_word:
    mov (%rsi), %ax
    jmp again
mmio_read_long:
    mov (%rsi), %eax
    jmp again
mmio_read_quad:
    mov (%rsi), %rax
    jmp again
mmio_write_byte:
    mov %al, (%rsi)
    jmp again
mmio_write_word:
    mov %ax, (%rsi)
    jmp again
mmio_write_long:
    mov %eax, (%rsi)
    jmp again
mmio_write_quad:
    mov %rax, (%rsi)
    jmp again

/* Sets a bit for every port where an access of up to 4 bytes would reach a closed one. */
mark_ports:
    mov $closed_ports, %esi
1:  lodsw
    movzwl %ax, %edx
    test %edx, %edx
    jz 3f
    lodsw
    mov $4, %ecx
2:  test %ax, %ax
    jz 4f
    bts %edx, read_closed
4:  bts %edx, write_closed
    dec %edx
    dec %ecx
    jnz 2b
    jmp 1b
3:  ret

    .section .rodata
    .balign 8
kinds:
    .quad read_byte, read_word, read_long, write_byte, write_word, write_long, string, mmio
mmio_kinds:
    .quad mmio_read_byte, mmio_read_word, mmio_read_long, mmio_read_quad
    .quad mmio_write_byte, mmio_write_word, mmio_write_long, mmio_write_quad
/* Port, and whether reads are closed too. */
closed_ports:
    .word 0x64, 1                       /* i8042 command: reset */
    .word 0x92, 1                       /* fast A20 and reset */
    .word 0xf4, 1                       /* exit */
    .word 0xf5, 1
    .word 0xf6, 1
    .word 0xf7, 1
    .word 0xcf9, 1                      /* PIIX reset control */
    .word COM1, 0                       /* transmit register */
    .word 0
accesses_option:
    .asciz "accesses="
seed_option:
    .asciz "seed="

    .bss
    .balign 8
/* One bit a port; the last bytes are for ports just below 64 Ki. */
read_closed:
    .skip 8192
write_closed:
    .skip 8192
accesses:
    .skip 8
seed:
    .skip 8
buffer:
    .skip 4 * STRING_MAX
