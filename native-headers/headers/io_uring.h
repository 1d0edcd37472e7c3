/* Asynchronous disk I/O. */
#include <linux/io_uring.h>
