/*
 * compute: the same hash over the same memory in kernel mode (CPL0) and in user mode (CPL3). A KVM
 * may run the two by different means, one emulated and the other native: equal hashes, and equal
 * to the known value, say that both compute the same.
 *
 * The way into user mode is IRETQ. The way back is a write to an unmapped page: a page fault is the
 * one passage from CPL3 to CPL0 that every KVM met so far delivers. INT n from CPL3 gives #UD on
 * kvm_pvm, and SYSCALL lands at LSTAR still at CPL3 there.
 *
 * Option: kib=N, how much memory to hash, 1 to 4096 (128; the known value holds for that).
 */
#include "guest.h"

#define DEFAULT_KIB     128
#define MAX_KIB         4096
#define WORDS_A_KIB     128
/* Not in the 4 GiB that boot.S maps, and canonical. */
#define RETURN_ADDRESS  0x700000000000
/* A user-mode write to a page that is not present (Intel SDM vol. 3, 4.7). */
#define PF_USER_WRITE   0x06
#define VECTOR_PF       14
#define RFLAGS_FIXED    0x02

    .code64
    .text
    .globl main
main:
    mov $DEFAULT_KIB, %eax
    mov $kib_option, %esi
    call option
    cmp $MAX_KIB, %rax
    ja 8f
    test %rax, %rax
    jz 8f
    imul $WORDS_A_KIB, %eax, %eax
    mov %eax, %r12d
    call fill
    say "compute: CPL0 hash "
    mov %r12d, %ecx
    call hash
    mov %rax, %r13
    call put_hex
    say "\r\ncompute: CPL3 hash "
    call hash_in_user_mode
    mov %rax, %r14
    call put_hex
    cmp %r13, %r14
    jne 7f
    say "\r\ncompute: equal\r\n"
    xor %eax, %eax
    ret
7:  say "\r\ncompute: DIFFERENT\r\n"
    mov $EXIT_FAILED, %eax
    ret
8:  say "compute: kib= takes 1 to 4096\r\n"
    mov $EXIT_FAILED, %eax
    ret

/* Writes R12 words of a linear congruential sequence (Knuth's MMIX) to memory. RAX, RBX, RCX, RDX, RDI. */
fill:
    mov $memory, %edi
    mov %r12d, %ecx
    mov $1, %eax
    mov $6364136223846793005, %rbx
    mov $1442695040888963407, %rdx
1:  imul %rbx, %rax
    add %rdx, %rax
    stosq
    dec %ecx
    jnz 1b
    ret

/* RAX = FNV-1a over ECX 64-bit words of memory, each folded by a rotation. RBX, RCX, RSI. */
hash:
    mov $memory, %esi
    mov $0xcbf29ce484222325, %rax
    mov $0x100000001b3, %rbx
1:  xor (%rsi), %rax
    imul %rbx, %rax
    rol $29, %rax
    add $8, %esi
    dec %ecx
    jnz 1b
    ret

/* RAX = hash, computed at CPL3. RBX, RCX, RDX, RSI, RDI. */
hash_in_user_mode:
    mov $VECTOR_PF, %edi
    mov $back_from_user, %esi
    call set_gate
    mov %rsp, saved_stack
    /* IRETQ takes kernel data segments away from user mode, but not on every KVM. */
    mov $USER_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %r12d, %ecx
    pushq $USER_DATA
    pushq $user_stack_top
    pushq $RFLAGS_FIXED
    pushq $USER_CODE64
    pushq $user_code
    iretq

user_code:
    call hash
    mov $RETURN_ADDRESS, %rbx
    mov %rax, (%rbx)
    ud2

/* The page fault's frame from RSP: error code, RIP, CS, RFLAGS, RSP, SS. RAX is the user's. */
back_from_user:
    mov (%rsp), %rcx
    mov 16(%rsp), %rbx
    mov %cr2, %rdx
    mov %rdx, %rdi
    mov $RETURN_ADDRESS, %rsi
    /* Flags that the architecture leaves open, and RF, differ from CPU to CPU. */
    movq $RFLAGS_FIXED, 24(%rsp)
    mov saved_stack, %rsp
    cmp %rsi, %rdi
    jne 1f
    cmp $PF_USER_WRITE, %ecx
    jne 1f
    cmp $USER_CODE64, %rbx
    jne 1f
    ret
1:  mov %rcx, %r13
    mov %rdi, %r14
    say "page fault, error code "
    mov %r13, %rax
    call put_hex
    say ", CR2 "
    mov %r14, %rax
    call put_hex
    say "\r\n"
    mov $EXIT_EXCEPTION, %eax
    jmp guest_exit

    .section .rodata
kib_option:
    .asciz "kib="

    .bss
    .balign PAGE
memory:
    .skip MAX_KIB * 1024
    .skip PAGE
user_stack_top:
saved_stack:
    .skip 8
