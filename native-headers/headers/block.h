/* Block devices: size and geometry, discard, persistent reservations, SCSI pass-through. */
#include <linux/fs.h>
#include <linux/pr.h>
#include <stddef.h>
#include <scsi/sg.h>
