/* KVM: the machine, its vCPUs and their state. Also what <asm/kvm.h> adds for x86. */
#include <linux/kvm.h>
