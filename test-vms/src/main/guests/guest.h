/* Constants and macros shared by the freestanding guests. */

#define COM1            0x3f8
#define PIC_MASTER      0x20
#define PIC_SLAVE       0xa0
#define PIC_EOI         0x20
#define PIT_CHANNEL0    0x40
#define PIT_COMMAND     0x43
#define PIT_HZ          1193182
#define EXIT_PORT       0xf4

#define LSR_DATA_READY  0x01
#define LSR_THR_EMPTY   0x20

/* The PIC pair is moved off the exception vectors. */
#define IRQ_BASE        0x20
#define IRQ_TIMER       0
#define IRQ_COM1        4

#define CODE64          0x08
#define DATA            0x10
#define USER_DATA       (0x18 | 3)
#define USER_CODE64     (0x20 | 3)
#define TSS_SELECTOR    0x28

#define PAGE            0x1000

/* Exit codes that no guest uses for a result of its own. */
#define EXIT_FAILED     1
#define EXIT_EXCEPTION  125

/* Prints a string. Clobbers RAX, RDX, RSI. */
.macro say text:vararg
    .pushsection .rodata.str, "aMS", @progbits, 1
.Lsay\@:
    .asciz \text
    .popsection
    mov $.Lsay\@, %esi
    call put_string
.endm
