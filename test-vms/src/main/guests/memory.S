/*
 * memory: touches all RAM that the Multiboot memory map gives. One word a page gets a pattern made
 * from the page's physical address; a second pass reads all of them back. An address line that is
 * cut, a page mapped twice or lost shows as a wrong word. Only the guest's own image is left out.
 *
 * Prints the RAM touched and the sum of the words read, which depends on the memory map alone.
 *
 * Memory is seen through a window of 1 GiB at 4 GiB, moved along, so that RAM above 4 GiB needs no
 * more page tables.
 */
#include "guest.h"

#define WINDOW          0x100000000
#define WINDOW_SLOT     4
#define GIB             0x40000000
#define PTE_TABLE       0x27
#define PTE_2M          0xe7
#define PAGE_2M         0x200000
#define MAX_RANGES      32

#define MB_FLAG_MMAP    0x40
#define MB_MMAP_LENGTH  44
#define MB_MMAP_ADDR    48
#define MMAP_RAM        1

    .code64
    .text
    .globl main
main:
    movq $(window_pd + PTE_TABLE), pdpt + 8 * WINDOW_SLOT
    call collect
    mov range_count, %ecx
    test %ecx, %ecx
    jz 8f
    mov $0x9e3779b97f4a7c15, %r12
    mov $write_pages, %r15d
    call walk
    xor %r13d, %r13d
    xor %r14d, %r14d
    mov $read_pages, %r15d
    call walk
    say "memory: "
    mov pages, %rax
    shl $2, %rax
    call put_decimal
    say " KiB touched, "
    mov own_pages, %rax
    shl $2, %rax
    call put_decimal
    say " KiB in use, checksum "
    mov %r13, %rax
    call put_hex
    say ", "
    mov %r14, %rax
    call put_decimal
    say " wrong words\r\n"
    xor %eax, %eax
    test %r14, %r14
    setnz %al
    ret
8:  say "memory: no memory map\r\n"
    mov $EXIT_FAILED, %eax
    ret

/* Copies the map's RAM into ranges, whole pages only, before anything is overwritten. */
collect:
    mov multiboot_info, %rbx
    testb $MB_FLAG_MMAP, (%rbx)
    jz 9f
    mov MB_MMAP_ADDR(%rbx), %esi
    mov MB_MMAP_LENGTH(%rbx), %ebp
    add %rsi, %rbp
1:  cmp %rbp, %rsi
    jae 9f
    cmpl $MMAP_RAM, 20(%rsi)
    jne 2f
    mov 4(%rsi), %rax
    mov %rax, %rdx
    add 12(%rsi), %rdx
    add $(PAGE - 1), %rax
    and $-PAGE, %rax
    and $-PAGE, %rdx
    call add_outside_image
2:  mov (%rsi), %eax                    /* the entry's size, without this field */
    lea 4(%rsi,%rax), %rsi
    jmp 1b
9:  ret

/* Adds RAX..RDX less the guest's own image. RAX, RCX, RDX, RDI, R8, R9. */
add_outside_image:
    mov $image_start, %r8d
    mov $image_end, %r9d
    cmp %r9, %rax
    jae add_range
    cmp %r8, %rdx
    jbe add_range
    mov %r9, %rcx                       /* the loader puts the whole image into one range */
    sub %r8, %rcx
    shr $12, %rcx
    mov %rcx, own_pages
    push %rdx
    mov %r8, %rdx
    call add_range
    pop %rdx
    mov %r9, %rax

/* Adds RAX..RDX unless it is empty or the table is full. RCX, RDI. */
add_range:
    cmp %rdx, %rax
    jae 1f
    mov range_count, %ecx
    cmp $MAX_RANGES, %ecx
    jae 1f
    mov %ecx, %edi
    shl $4, %edi
    mov %rax, ranges(%rdi)
    mov %rdx, ranges + 8(%rdi)
    inc %ecx
    mov %ecx, range_count
1:  ret

/* Calls R15 for every piece of every range: physical RDI, virtual RSI, RCX pages. */
walk:
    movq $0, pages
    xor %ebx, %ebx
1:  cmp range_count, %ebx
    jae 9f
    mov %ebx, %eax
    shl $4, %eax
    mov ranges(%rax), %rdi
    mov ranges + 8(%rax), %rbp
2:  call map_window
    mov %rdi, %rdx                      /* the piece ends with the window or the range */
    or $(GIB - 1), %rdx
    inc %rdx
    cmp %rbp, %rdx
    cmova %rbp, %rdx
    mov %rdx, %rcx
    sub %rdi, %rcx
    shr $12, %rcx
    add %rcx, pages
    mov %rdi, %rsi
    and $(GIB - 1), %esi
    mov $WINDOW, %rax
    add %rax, %rsi
    push %rdx
    call *%r15
    pop %rdi
    cmp %rbp, %rdi
    jb 2b
    inc %ebx
    jmp 1b
9:  ret

/* Maps the GiB that holds physical RDI at WINDOW. RAX, RCX. */
map_window:
    mov %rdi, %rax
    and $-GIB, %rax
    add $PTE_2M, %rax
    xor %ecx, %ecx
1:  mov %rax, window_pd(,%rcx,8)
    add $PAGE_2M, %rax
    inc %ecx
    cmp $512, %ecx
    jb 1b
    mov %cr3, %rax
    mov %rax, %cr3
    ret

/* Writes a word to each of RCX pages. RAX, RCX, RSI, RDI; R12 is the multiplier. */
write_pages:
1:  mov %rdi, %rax
    imul %r12, %rax
    mov %rax, (%rsi)
    add $PAGE, %rdi
    add $PAGE, %rsi
    dec %rcx
    jnz 1b
    ret

/* Reads them back: R13 sums them, R14 counts the wrong ones. */
read_pages:
1:  mov %rdi, %rax
    imul %r12, %rax
    mov (%rsi), %rdx
    add %rdx, %r13
    cmp %rax, %rdx
    je 2f
    inc %r14
2:  add $PAGE, %rdi
    add $PAGE, %rsi
    dec %rcx
    jnz 1b
    ret

    .section .tables, "aw"
    .balign PAGE
window_pd:
    .fill 512, 8, 0

    .bss
    .balign 16
ranges:
    .skip 16 * MAX_RANGES
pages:
    .skip 8
own_pages:
    .skip 8
range_count:
    .skip 8
