/*
 * uffd.h - thin wrappers: userfaultfd ioctls and what older kernel headers lack.
 *
 * Every wrapper says how many bytes were done and which errno ended it. The kernel encodes
 * "nothing done" in two ways (0, or the negated errno in the output field, by version); both read
 * as 0 bytes here, never as a huge count.
 */
#ifndef MM_MACHINE_LINUX_UFFD_H
#define MM_MACHINE_LINUX_UFFD_H

#include "base/types.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#ifndef UFFD_FEATURE_POISON
#define UFFD_FEATURE_POISON (1 << 14)
#endif
#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP ((__u64)1 << 1)
#endif
#ifndef UFFDIO_POISON
#define _UFFDIO_POISON (0x08)
struct uffdio_poison {
    struct uffdio_range range;
    __u64 mode;
    __s64 updated;
};
#define UFFDIO_POISON _IOWR(UFFDIO, _UFFDIO_POISON, struct uffdio_poison)
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
/* Names the calling thread where a pidfd is wanted (6.14); works after the main thread is gone. */
#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD (-10000)
#endif

/* The system call, replaceable so that tests can make the kernel refuse. */
typedef int uffd_ioctl(int fd, unsigned long request, void *argument);

struct uffd_result {
    uint64_t bytes; /* done, a multiple of the page size; also when `error` is set */
    int error;      /* 0 or errno; EAGAIN with bytes > 0 is partial progress */
};

static inline struct uffd_result uffd_outcome(int returned, int error, int64_t done,
                                              uint64_t wanted)
{
    if (returned == 0)
        return (struct uffd_result){.bytes = wanted, .error = 0};
    return (struct uffd_result){.bytes = done > 0 ? (uint64_t)done : 0, .error = error};
}

static inline struct uffd_result uffd_copy(uffd_ioctl *call, int fd, uint64_t start,
                                           const void *source, uint64_t bytes, uint64_t mode)
{
    struct uffdio_copy request = {
        .dst = start, .src = (uintptr_t)source, .len = bytes, .mode = mode, .copy = 0};
    int returned = call(fd, UFFDIO_COPY, &request);

    return uffd_outcome(returned, errno, request.copy, bytes);
}

static inline struct uffd_result uffd_zeropage(uffd_ioctl *call, int fd, uint64_t start,
                                               uint64_t bytes)
{
    struct uffdio_zeropage request = {.range = {start, bytes}, .mode = 0, .zeropage = 0};
    int returned = call(fd, UFFDIO_ZEROPAGE, &request);

    return uffd_outcome(returned, errno, request.zeropage, bytes);
}

static inline struct uffd_result uffd_continue(uffd_ioctl *call, int fd, uint64_t start,
                                               uint64_t bytes, uint64_t mode)
{
    struct uffdio_continue request = {.range = {start, bytes}, .mode = mode, .mapped = 0};
    int returned = call(fd, UFFDIO_CONTINUE, &request);

    return uffd_outcome(returned, errno, request.mapped, bytes);
}

static inline struct uffd_result uffd_poison(uffd_ioctl *call, int fd, uint64_t start,
                                             uint64_t bytes)
{
    struct uffdio_poison request = {.range = {start, bytes}, .mode = 0, .updated = 0};
    int returned = call(fd, UFFDIO_POISON, &request);

    return uffd_outcome(returned, errno, request.updated, bytes);
}

/* Clear the write protection of a range and wake who waits there. 0 or errno. */
static inline int uffd_unprotect(uffd_ioctl *call, int fd, uint64_t start, uint64_t bytes)
{
    struct uffdio_writeprotect request = {.range = {start, bytes}, .mode = 0};

    return call(fd, UFFDIO_WRITEPROTECT, &request) == 0 ? 0 : errno;
}

/* Wake who waits in a range; they take their access again. 0 or errno. */
static inline int uffd_wake(uffd_ioctl *call, int fd, uint64_t start, uint64_t bytes)
{
    struct uffdio_range request = {start, bytes};

    return call(fd, UFFDIO_WAKE, &request) == 0 ? 0 : errno;
}

#endif
