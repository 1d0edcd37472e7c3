/*
 * A driver for one virtio disk, included by guests that have one. Finds the disk by its PCI
 * identity and the parts of its window by its capabilities; sleeps in HLT until the interrupt says
 * that a request is done. A request moves a block of 4 KiB to or from `buffer`, which the guest
 * has. Source: VIRTIO 1.2, 3.1, 4.1 and 5.2.
 */
#define PCI_ADDRESS     0xcf8
#define PCI_DATA        0xcfc
#define PCI_ENABLE      0x80000000
#define PCI_SLOTS       32
#define PCI_COMMAND     0x04
#define PCI_BAR0        0x10
#define PCI_CAPS        0x34
#define PCI_INTERRUPT   0x3c
#define MEMORY_MASTER   0x06
#define CAP_VENDOR      9
#define DISK            0x10421af4

/* Where the window goes: above RAM, below 4 GiB. */
#define WINDOW          0xe0000000

#define PART_COMMON     1
#define PART_NOTIFY     2
#define PART_ISR        3
#define PART_DEVICE     4

#define DRIVER_SELECT   8
#define DRIVER_FEATURES 12
#define STATUS          20
#define QUEUE_SELECT    22
#define QUEUE_SIZE      24
#define QUEUE_ENABLE    28
#define QUEUE_NOTIFY    30
#define QUEUE_DESC      32
#define QUEUE_DRIVER    40
#define QUEUE_DEVICE    48

#define FEATURE_FLUSH   0x200           /* bit 9 */
#define FEATURE_V1      1               /* bit 32 */
#define FEATURES_OK     8

#define ENTRIES         8
#define NEXT            1
#define WRITE           2

#define TYPE_IN         0
#define TYPE_OUT        1
#define TYPE_FLUSH      4

#define BLOCK_WORDS     512

    .code64
    .text

/* Looks for a disk: R12D is its configuration address; not zero: there is none. RAX to RDX, R13. */
find_disk:
    xor %r13d, %r13d
1:  mov %r13d, %r12d
    shl $11, %r12d
    or $PCI_ENABLE, %r12d
    xor %ebx, %ebx
    call pci_read
    cmp $DISK, %eax
    je 2f
    inc %r13d
    cmp $PCI_SLOTS, %r13d
    jb 1b
    or $1, %eax
    ret
2:  xor %eax, %eax
    ret

/* Reads the doubleword of configuration register EBX of the device R12D: EAX. RDX. */
pci_read:
    call pci_select
    in %dx, %eax
    ret

/* Writes ESI to it. RAX, RDX. */
pci_write:
    call pci_select
    mov %esi, %eax
    out %eax, %dx
    ret

pci_select:
    mov %ebx, %eax
    and $0xfc, %eax
    or %r12d, %eax
    mov $PCI_ADDRESS, %edx
    out %eax, %dx
    mov $PCI_DATA, %edx
    ret

/* Follows the capabilities: address of every part, number of the window. All but R12 to R15. */
find_parts:
    mov $PCI_CAPS, %ebx
    call pci_read
    movzbl %al, %ebp
1:  test %ebp, %ebp
    jz 9f
    mov %ebp, %ebx
    call pci_read
    mov %eax, %edi
    cmp $CAP_VENDOR, %al
    jne 3f
    mov %eax, %ecx
    shr $24, %ecx
    cmp $PART_DEVICE, %ecx
    ja 3f
    lea 8(%rbp), %ebx
    call pci_read
    add $WINDOW, %eax
    mov %eax, parts(,%rcx,4)
    lea 4(%rbp), %ebx
    call pci_read
    mov %al, window_number
    cmp $PART_NOTIFY, %ecx
    jne 3f
    lea 16(%rbp), %ebx
    call pci_read
    mov %eax, notify_multiplier
3:  shr $8, %edi
    movzbl %dil, %ebp
    jmp 1b
9:  ret

/* Puts the window where it is to be and lets the device reach memory. */
map_window:
    movzbl window_number, %ebx
    lea PCI_BAR0(,%rbx,4), %ebx
    mov $WINDOW, %esi
    call pci_write
    mov $PCI_COMMAND, %ebx
    mov $MEMORY_MASTER, %esi
    call pci_write
    ret

/* Interrupt, features, queue (VIRTIO 1.2, 3.1.1). Not zero: the device refuses. */
start_device:
    mov $PCI_INTERRUPT, %ebx
    call pci_read
    movzbl %al, %ebp
    lea IRQ_BASE(%rbp), %edi
    mov $disk_interrupt, %esi
    call set_gate
    mov %ebp, %ecx
    mov $1, %eax
    shl %cl, %eax
    or $(1 << 2), %eax                  /* the slave's way to the CPU */
    not %eax
    call pic_init
    mov parts + 4 * PART_COMMON, %r15d
    movb $0, STATUS(%r15)
1:  mov STATUS(%r15), %al
    test %al, %al
    jnz 1b
    movb $1, STATUS(%r15)
    movb $3, STATUS(%r15)
    movl $0, DRIVER_SELECT(%r15)
    movl $FEATURE_FLUSH, DRIVER_FEATURES(%r15)
    movl $1, DRIVER_SELECT(%r15)
    movl $FEATURE_V1, DRIVER_FEATURES(%r15)
    movb $11, STATUS(%r15)
    mov STATUS(%r15), %al
    test $FEATURES_OK, %al
    jz 8f
    movw $0, QUEUE_SELECT(%r15)
    movw $ENTRIES, QUEUE_SIZE(%r15)
    movl $descriptors, QUEUE_DESC(%r15)
    movl $0, QUEUE_DESC + 4(%r15)
    movl $available, QUEUE_DRIVER(%r15)
    movl $0, QUEUE_DRIVER + 4(%r15)
    movl $used, QUEUE_DEVICE(%r15)
    movl $0, QUEUE_DEVICE + 4(%r15)
    movw $1, QUEUE_ENABLE(%r15)
    mov QUEUE_NOTIFY(%r15), %ax
    movzwl %ax, %eax
    imul notify_multiplier, %eax
    add %eax, parts + 4 * PART_NOTIFY
    movb $15, STATUS(%r15)
    xor %eax, %eax
    ret
8:  inc %eax
    ret

/* Makes a request of type EAX for block EBX and waits for its end: its status. RCX, RDX. */
request:
    mov %eax, header
    mov %ebx, %ecx
    shl $3, %rcx
    mov %rcx, header + 8
    movb $0xff, request_status
    movw $1, descriptors + 14           /* header, data, status */
    movw $NEXT, descriptors + 16 + 12
    cmp $TYPE_OUT, %eax
    je 1f
    movw $(NEXT | WRITE), descriptors + 16 + 12
    cmp $TYPE_IN, %eax
    je 1f
    movw $2, descriptors + 14           /* header, status */
1:  incw available + 2
    mov parts + 4 * PART_NOTIFY, %edx
    movw $0, (%rdx)
2:  cli
    mov used + 2, %ax
    cmp available + 2, %ax
    je 3f
    sti
    hlt
    jmp 2b
3:  movzbl request_status, %eax
    test %eax, %eax
    ret

/* Reading the status takes the device's level back before the controllers are told. */
disk_interrupt:
    push %rax
    push %rdx
    mov parts + 4 * PART_ISR, %edx
    mov (%rdx), %al
    mov $PIC_EOI, %al
    out %al, $PIC_SLAVE
    out %al, $PIC_MASTER
    pop %rdx
    pop %rax
    iretq

    .data
    .balign 16
descriptors:
    .quad header
    .long 16
    .word NEXT, 1
    .quad buffer
    .long 8 * BLOCK_WORDS
    .word NEXT, 2
    .quad request_status
    .long 1
    .word WRITE, 0
    .fill 16 * (ENTRIES - 3), 1, 0
/* Every entry of the ring names descriptor 0. */
available:
    .fill 6 + 2 * ENTRIES, 1, 0
    .balign 16
used:
    .fill 6 + 8 * ENTRIES, 1, 0
    .balign 16
header:
    .fill 16, 1, 0
parts:
    .fill 4 * (PART_DEVICE + 1), 1, 0
notify_multiplier:
    .long 0
window_number:
    .byte 0
request_status:
    .byte 0

