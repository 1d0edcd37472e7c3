/*
 * echo: a console. Sleeps in HLT until the UART's receive interrupt says that a byte is there,
 * shows what is typed, and answers each line in capitals. The line "quit" ends the guest with 0,
 * "exit N" with N.
 *
 * The interrupt handler only acknowledges: all bytes are read in the main loop, which sleeps only
 * after it has seen the receiver empty with interrupts off. A byte that comes after that look
 * raises the line anew, so none is missed and there is no buffer to overflow.
 */
#include "guest.h"

#define LINE_MAX        120
#define BACKSPACE       8
#define DELETE          127

    .code64
    .text
    .globl main
main:
    mov $(IRQ_BASE + IRQ_COM1), %edi
    mov $com1_interrupt, %esi
    call set_gate
    mov $(0xffff & ~(1 << IRQ_COM1)), %eax
    call pic_init
    mov $(COM1 + 1), %edx
    mov $0x01, %al                      /* interrupt on received data */
    out %al, %dx
    say "echo: type a line; quit or exit N ends\r\n"
next_line:
    say "> "
    xor %ebp, %ebp                      /* bytes in the line */
next_byte:
    call read_byte
    mov %al, %bl
    cmp $'\r', %al
    je 1f
    cmp $'\n', %al
    jne 2f
    cmpb $'\r', last_byte               /* the second half of CR LF */
    mov %bl, last_byte
    je next_byte
1:  mov %bl, last_byte
    call answer
    jnc next_line
    ret
2:  mov %bl, last_byte
    cmp $BACKSPACE, %al
    je 3f
    cmp $DELETE, %al
    je 3f
    cmp $' ', %al
    jb next_byte
    cmp $LINE_MAX, %ebp
    jae next_byte
    mov %al, line(%rbp)
    inc %ebp
    call put_char
    jmp next_byte
3:  test %ebp, %ebp
    jz next_byte
    dec %ebp
    say "\b \b"
    jmp next_byte

/* Waits for a byte: AL. RDX. */
read_byte:
    mov $(COM1 + 5), %edx
1:  cli
    in %dx, %al
    test $LSR_DATA_READY, %al
    jnz 2f
    sti
    hlt
    jmp 1b
2:  sti
    mov $COM1, %edx
    in %dx, %al
    ret

/* Answers the line of EBP bytes. Carry set: the guest ends with EAX. RAX, RBX, RCX, RDX, RSI. */
answer:
    say "\r\n"
    movb $0, line(%rbp)
    cmpl $QUIT, line
    jne 1f
    cmpb $0, line + 4
    jne 1f
    say "bye\r\n"
    xor %eax, %eax
    stc
    ret
1:  cmpl $EXIT, line
    jne 3f
    cmpb $' ', line + 4
    jne 3f
    mov $(line + 5), %ebx
    xor %eax, %eax
2:  movzbl (%rbx), %edx
    sub $'0', %edx
    cmp $9, %edx
    ja 2f
    imul $10, %eax, %eax
    add %edx, %eax
    inc %ebx
    jmp 2b
2:  stc
    ret
3:  mov $line, %ebx
4:  mov (%rbx), %al
    test %al, %al
    jz 6f
    cmp $'a', %al
    jb 5f
    cmp $'z', %al
    ja 5f
    sub $('a' - 'A'), %al
5:  call put_char
    inc %ebx
    jmp 4b
6:  say "\r\n"
    clc
    ret

com1_interrupt:
    push %rax
    mov $PIC_EOI, %al
    out %al, $PIC_MASTER
    pop %rax
    iretq

    .set QUIT, 'q' | 'u' << 8 | 'i' << 16 | 't' << 24
    .set EXIT, 'e' | 'x' << 8 | 'i' << 16 | 't' << 24

    .bss
last_byte:
    .skip 1
    .balign 8
line:
    .skip LINE_MAX + 8
