/*
 * The small runtime of the Multiboot guests: console, number printing, PIC, PIT, options.
 * Every routine keeps all registers but those it names.
 */
#include "guest.h"

    .code64
    .text

/*
 * 115200 8N1, no interrupts; OUT2 on, which gates the UART's line to the PIC. The FIFOs are off and
 * stay off: turning them on would throw away what was typed before. RAX, RDX.
 */
    .globl console_init
console_init:
    mov $(COM1 + 3), %edx
    mov $0x80, %al
    out %al, %dx
    mov $COM1, %edx
    mov $1, %al
    out %al, %dx
    inc %edx
    xor %al, %al
    out %al, %dx
    mov $(COM1 + 3), %edx
    mov $0x03, %al
    out %al, %dx
    mov $(COM1 + 1), %edx
    xor %al, %al
    out %al, %dx
    mov $(COM1 + 2), %edx
    xor %al, %al
    out %al, %dx
    mov $(COM1 + 4), %edx
    mov $0x0b, %al
    out %al, %dx
    ret

/* Prints the byte in AL. RDX. */
    .globl put_char
put_char:
    push %rax
    mov $(COM1 + 5), %edx
1:  in %dx, %al
    test $LSR_THR_EMPTY, %al
    jz 1b
    pop %rax
    mov $COM1, %edx
    out %al, %dx
    ret

/* Prints the zero-terminated string at RSI. RAX, RDX, RSI. */
    .globl put_string
put_string:
1:  lodsb
    test %al, %al
    jz 2f
    call put_char
    jmp 1b
2:  ret

/* Prints RAX as a decimal number. RAX, RDX. */
    .globl put_decimal
put_decimal:
    push %rbx
    push %rcx
    xor %ecx, %ecx
    mov $10, %ebx
1:  xor %edx, %edx
    div %rbx
    push %rdx
    inc %ecx
    test %rax, %rax
    jnz 1b
2:  pop %rax
    add $'0', %al
    call put_char
    dec %ecx
    jnz 2b
    pop %rcx
    pop %rbx
    ret

/* Prints RAX as 16 hexadecimal digits. RAX, RDX. */
    .globl put_hex
put_hex:
    push %rbx
    push %rcx
    mov %rax, %rbx
    mov $16, %ecx
1:  rol $4, %rbx
    mov %ebx, %eax
    and $15, %eax
    mov hex_digits(%rax), %al
    call put_char
    dec %ecx
    jnz 1b
    pop %rcx
    pop %rbx
    ret

/* Sets up the PIC pair at IRQ_BASE with the mask AX (bit n set: IRQ n off). RAX, RBX. */
    .globl pic_init
pic_init:
    mov %eax, %ebx
    mov $0x11, %al                      /* ICW1: edge, cascade, ICW4 follows */
    out %al, $PIC_MASTER
    out %al, $PIC_SLAVE
    mov $IRQ_BASE, %al                  /* ICW2: first vector */
    out %al, $(PIC_MASTER + 1)
    mov $(IRQ_BASE + 8), %al
    out %al, $(PIC_SLAVE + 1)
    mov $0x04, %al                      /* ICW3: the slave hangs on IRQ 2 */
    out %al, $(PIC_MASTER + 1)
    mov $0x02, %al
    out %al, $(PIC_SLAVE + 1)
    mov $0x01, %al                      /* ICW4: 8086 mode */
    out %al, $(PIC_MASTER + 1)
    out %al, $(PIC_SLAVE + 1)
    mov %bl, %al
    out %al, $(PIC_MASTER + 1)
    mov %bh, %al
    out %al, $(PIC_SLAVE + 1)
    ret

/* Starts PIT channel 0 as a rate generator with the divisor AX. RAX, RBX. */
    .globl pit_init
pit_init:
    mov %eax, %ebx
    mov $0x34, %al                      /* channel 0, low then high byte, mode 2 */
    out %al, $PIT_COMMAND
    mov %bl, %al
    out %al, $PIT_CHANNEL0
    mov %bh, %al
    out %al, $PIT_CHANNEL0
    ret

/*
 * The number after the word RSI ("count=") in the Multiboot command line, or RAX when it is not
 * there. Result in RAX; RBX, RCX, RDX, RSI, RDI.
 */
    .globl option
option:
    mov multiboot_info, %rbx
    testb $0x04, (%rbx)                 /* flags: bit 2, command line */
    jz 9f
    mov 16(%rbx), %ebx
1:  mov %rsi, %rdi                      /* RBX is at the start of a word */
    mov %rbx, %rcx
2:  movb (%rdi), %dl
    test %dl, %dl
    jz 5f
    cmpb %dl, (%rcx)
    jne 3f
    inc %rdi
    inc %rcx
    jmp 2b
3:  movb (%rbx), %dl                    /* another word: go to the next */
    test %dl, %dl
    jz 9f
    inc %rbx
    cmp $' ', %dl
    jne 3b
    jmp 1b
5:  xor %eax, %eax                      /* found: RCX is at the number */
6:  movzbl (%rcx), %edx
    sub $'0', %edx
    cmp $9, %edx
    ja 9f
    imul $10, %rax, %rax
    add %rdx, %rax
    inc %rcx
    jmp 6b
9:  ret

    .section .rodata
hex_digits:
    .ascii "0123456789abcdef"
