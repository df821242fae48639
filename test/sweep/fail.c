/*
 * fail.c - the wrappers that fail.h describes.
 */
#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "machine/linux/uffd.h"

#define PAGE_BYTES 4096u

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

const char *const site_names[SITE_COUNT] = {
#define X(id, name) [SITE_##id] = name,
    SITES(X)
#undef X
};

static site_counts counts_here;
static site_counts *counts = &counts_here;
static _Atomic int phase_now;
static struct order orders[2];
static _Atomic uint32_t obeyed;
static _Atomic bool healed;
static _Atomic int64_t blocks, mapped_bytes;
static _Thread_local bool exempt_here __attribute__((tls_model("initial-exec")));

void fail_phase(enum phase phase)
{
    atomic_store(&phase_now, (int)phase);
}

void fail_count_into(site_counts *shared)
{
    counts = shared;
}

void fail_order(unsigned which, const struct order *order)
{
    orders[which] = *order;
}

uint32_t fail_obeyed(void)
{
    return atomic_load(&obeyed);
}

void fail_heal(void)
{
    atomic_store(&healed, true);
}

void fail_exempt(bool exempt)
{
    exempt_here = exempt;
}

int64_t fail_blocks(void)
{
    return atomic_load(&blocks);
}

int64_t fail_mapped_bytes(void)
{
    return atomic_load(&mapped_bytes);
}

/* Count the call; 0, or with what it is to fail. */
static int judge(enum site site)
{
    int phase = atomic_load(&phase_now);
    uint32_t seen;

    if (exempt_here || phase == PHASE_NONE)
        return 0;
    seen = atomic_fetch_add(&(*counts)[phase][site], 1) + 1;
    if (atomic_load(&healed))
        return 0;
    for (unsigned i = 0; i < 2; i++) {
        const struct order *order = &orders[i];

        if (order->first == 0 || order->site != site || (int)order->phase != phase ||
            seen < order->first || (seen > order->first && !order->for_ever))
            continue;
        atomic_fetch_add(&obeyed, 1);
        return order->error;
    }
    return 0;
}

/* The usual failure: -1 and errno. */
static bool refused(enum site site)
{
    int error = judge(site);

    if (error == 0)
        return false;
    errno = error & ~PARTLY;
    return true;
}

#define REAL(result, name, ...)                                                                    \
    result __real_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__)

/* ---- memory -------------------------------------------------------------------------------- */

static void count_block(const void *block)
{
    if (block != NULL && !exempt_here)
        atomic_fetch_add(&blocks, 1);
}

REAL(void *, calloc, size_t count, size_t bytes)
{
    void *block = refused(SITE_CALLOC) ? NULL : __real_calloc(count, bytes);

    count_block(block);
    return block;
}

REAL(void *, aligned_alloc, size_t alignment, size_t bytes)
{
    void *block = refused(SITE_ALIGNED_ALLOC) ? NULL : __real_aligned_alloc(alignment, bytes);

    count_block(block);
    return block;
}

REAL(int, posix_memalign, void **ret_block, size_t alignment, size_t bytes)
{
    int error = judge(SITE_POSIX_MEMALIGN);

    if (error == 0)
        error = __real_posix_memalign(ret_block, alignment, bytes);
    if (error == 0)
        count_block(*ret_block);
    return error;
}

REAL(void, free, void *block)
{
    if (block != NULL && !exempt_here)
        atomic_fetch_sub(&blocks, 1);
    __real_free(block);
}

static int64_t whole_pages(size_t bytes)
{
    return (int64_t)((bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);
}

REAL(void *, mmap64, void *at, size_t bytes, int rights, int flags, int fd, off64_t offset)
{
    void *start =
        refused(SITE_MMAP) ? MAP_FAILED : __real_mmap64(at, bytes, rights, flags, fd, offset);

    /* A fixed one takes the place of what was mapped there before. */
    if (start != MAP_FAILED && !exempt_here && (flags & MAP_FIXED) == 0)
        atomic_fetch_add(&mapped_bytes, whole_pages(bytes));
    return start;
}

REAL(int, munmap, void *at, size_t bytes)
{
    if (!exempt_here)
        atomic_fetch_sub(&mapped_bytes, whole_pages(bytes));
    return __real_munmap(at, bytes);
}

/* Partly, as the kernel does it: the mappings before the one that cannot be split are changed. */
REAL(int, mprotect, void *at, size_t bytes, int rights)
{
    int error = judge(SITE_MPROTECT);

    if (error == 0)
        return __real_mprotect(at, bytes, rights);
    if (error & PARTLY)
        __real_mprotect(at, PAGE_BYTES, rights);
    errno = error & ~PARTLY;
    return -1;
}

static enum site site_of_advice(int advice)
{
    switch (advice) {
    case MADV_DONTFORK:
        return SITE_MADV_DONTFORK;
    case MADV_DONTDUMP:
        return SITE_MADV_DONTDUMP;
    case MADV_NOHUGEPAGE:
        return SITE_MADV_NOHUGEPAGE;
    case MADV_HUGEPAGE:
        return SITE_MADV_HUGEPAGE;
    case MADV_POPULATE_WRITE:
        return SITE_MADV_POPULATE;
    case MADV_DONTNEED:
    case MADV_REMOVE:
        return advice == MADV_REMOVE ? SITE_MADV_REMOVE : SITE_MADV_DONTNEED;
    default:
        return SITE_COUNT; /* the answer to a refusal: MADV_DONTNEED_LOCKED */
    }
}

REAL(int, madvise, void *at, size_t bytes, int advice)
{
    enum site site = site_of_advice(advice);

    return site != SITE_COUNT && refused(site) ? -1 : __real_madvise(at, bytes, advice);
}

/* ---- files --------------------------------------------------------------------------------- */

REAL(int, memfd_create, const char *name, unsigned flags)
{
    return refused(SITE_MEMFD_CREATE) ? -1 : __real_memfd_create(name, flags);
}

REAL(int, eventfd, unsigned value, int flags)
{
    return refused(SITE_EVENTFD) ? -1 : __real_eventfd(value, flags);
}

REAL(int, ftruncate64, int fd, off64_t bytes)
{
    return refused(SITE_FTRUNCATE) ? -1 : __real_ftruncate64(fd, bytes);
}

REAL(int, fallocate64, int fd, int mode, off64_t offset, off64_t bytes)
{
    return refused(SITE_FALLOCATE) ? -1 : __real_fallocate64(fd, mode, offset, bytes);
}

int __real_fcntl64(int fd, int request, ...);
int __wrap_fcntl64(int fd, int request, ...);
int __wrap_fcntl64(int fd, int request, ...)
{
    va_list arguments;
    int argument;

    va_start(arguments, request);
    argument = va_arg(arguments, int);
    va_end(arguments);
    if (refused(request == F_ADD_SEALS ? SITE_FCNTL_SEAL : SITE_FCNTL_DUP))
        return -1;
    return __real_fcntl64(fd, request, argument);
}

REAL(int, fstat64, int fd, struct stat64 *ret_status)
{
    return refused(SITE_FSTAT) ? -1 : __real_fstat64(fd, ret_status);
}

REAL(int, getrlimit64, int resource, struct rlimit64 *ret_limit)
{
    return refused(SITE_GETRLIMIT) ? -1 : __real_getrlimit64(resource, ret_limit);
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    return refused(SITE_OPEN) ? -1 : __real_open64(path, flags);
}

REAL(FILE *, fopen64, const char *path, const char *mode)
{
    return refused(SITE_FOPEN) ? NULL : __real_fopen64(path, mode);
}

REAL(char *, fgets, char *ret_line, int bytes, FILE *file)
{
    return refused(SITE_FGETS) ? NULL : __real_fgets(ret_line, bytes, file);
}

REAL(ssize_t, preadv64, int fd, const struct iovec *vectors, int count, off64_t offset)
{
    int error = judge(SITE_PREADV);

    if (error & PARTLY) { /* a short read is not a failure: less than a page, to be awkward */
        struct iovec some = {vectors->iov_base, vectors->iov_len < 100 ? vectors->iov_len : 100};

        return __real_preadv64(fd, &some, 1, offset);
    }
    errno = error;
    return error != 0 ? -1 : __real_preadv64(fd, vectors, count, offset);
}

REAL(ssize_t, pwrite64, int fd, const void *bytes, size_t count, off64_t offset)
{
    int error = judge(SITE_PWRITE);

    if (error & PARTLY) { /* a short write is not a failure either */
        return __real_pwrite64(fd, bytes, count < 100 ? count : 100, offset);
    }
    errno = error;
    return error != 0 ? -1 : __real_pwrite64(fd, bytes, count, offset);
}

REAL(int, poll, struct pollfd *watched, nfds_t count, int timeout_ms)
{
    return refused(SITE_POLL) ? -1 : __real_poll(watched, count, timeout_ms);
}

REAL(ssize_t, read, int fd, void *ret_bytes, size_t bytes)
{
    return refused(SITE_READ) ? -1 : __real_read(fd, ret_bytes, bytes);
}

REAL(ssize_t, write, int fd, const void *bytes, size_t count)
{
    return refused(SITE_WRITE) ? -1 : __real_write(fd, bytes, count);
}

/* ---- threads and signals ------------------------------------------------------------------- */

REAL(int, sigaction, int signal, const struct sigaction *action, struct sigaction *ret_before)
{
    return refused(SITE_SIGACTION) ? -1 : __real_sigaction(signal, action, ret_before);
}

REAL(ssize_t, getrandom, void *ret_bytes, size_t bytes, unsigned flags)
{
    return refused(SITE_GETRANDOM) ? -1 : __real_getrandom(ret_bytes, bytes, flags);
}

REAL(int, pthread_atfork, void (*before)(void), void (*parent)(void), void (*child)(void))
{
    int error = judge(SITE_ATFORK);

    return error != 0 ? error : __real_pthread_atfork(before, parent, child);
}

REAL(int, pthread_attr_init, pthread_attr_t *attributes)
{
    int error = judge(SITE_ATTR_INIT);

    return error != 0 ? error : __real_pthread_attr_init(attributes);
}

REAL(int, pthread_create, pthread_t *ret_thread, const pthread_attr_t *attributes,
     void *(*main)(void *), void *argument)
{
    int error = judge(SITE_THREAD_CREATE);

    return error != 0 ? error : __real_pthread_create(ret_thread, attributes, main, argument);
}

REAL(int, pthread_getcpuclockid, pthread_t thread, clockid_t *ret_clock)
{
    int error = judge(SITE_CPU_CLOCK);

    return error != 0 ? error : __real_pthread_getcpuclockid(thread, ret_clock);
}

REAL(int, pthread_key_create, pthread_key_t *ret_key, void (*end)(void *))
{
    int error = judge(SITE_KEY_CREATE);

    return error != 0 ? error : __real_pthread_key_create(ret_key, end);
}

REAL(int, pthread_setspecific, pthread_key_t key, const void *value)
{
    int error = value == NULL ? 0 : judge(SITE_SETSPECIFIC); /* taking away needs no memory */

    return error != 0 ? error : __real_pthread_setspecific(key, value);
}

/* ---- userfaultfd --------------------------------------------------------------------------- */

static enum site site_of_request(unsigned long request)
{
    switch (request) {
    case UFFDIO_API:
        return SITE_UFFD_API;
    case UFFDIO_REGISTER:
        return SITE_UFFD_REGISTER;
    case UFFDIO_UNREGISTER:
        return SITE_UFFD_UNREGISTER;
    case UFFDIO_COPY:
        return SITE_UFFD_COPY;
    case UFFDIO_ZEROPAGE:
        return SITE_UFFD_ZEROPAGE;
    case UFFDIO_CONTINUE:
        return SITE_UFFD_CONTINUE;
    case UFFDIO_WRITEPROTECT:
        return SITE_UFFD_PROTECT;
    case UFFDIO_WAKE:
        return SITE_UFFD_WAKE;
    case UFFDIO_POISON:
        return SITE_UFFD_POISON;
    default:
        return SITE_UFFD_NEW;
    }
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

/* The first page is done; both ways in which kernels say "and no more" are a count and an errno. */
static int do_partly(int fd, unsigned long request, void *argument)
{
    struct uffdio_copy *copy = argument;
    struct uffdio_zeropage *zeropage = argument;
    struct uffdio_continue *resident = argument;
    int result;

    if (request == UFFDIO_COPY) {
        copy->len = PAGE_BYTES;
        result = __real_ioctl(fd, request, argument);
        copy->copy = result == 0 ? (int64_t)PAGE_BYTES : copy->copy;
    } else if (request == UFFDIO_ZEROPAGE) {
        zeropage->range.len = PAGE_BYTES;
        result = __real_ioctl(fd, request, argument);
        zeropage->zeropage = result == 0 ? (int64_t)PAGE_BYTES : zeropage->zeropage;
    } else {
        resident->range.len = PAGE_BYTES;
        result = __real_ioctl(fd, request, argument);
        resident->mapped = result == 0 ? (int64_t)PAGE_BYTES : resident->mapped;
    }
    if (result == 0)
        errno = EAGAIN;
    return -1;
}

/* Nothing is done; newer kernels repeat the errno in the field of the count. */
static int do_nothing(unsigned long request, void *argument, int error)
{
    static _Atomic unsigned turn;
    int64_t count = atomic_fetch_add(&turn, 1) % 2 == 0 ? -error : 0;

    if (request == UFFDIO_COPY)
        ((struct uffdio_copy *)argument)->copy = count;
    else if (request == UFFDIO_ZEROPAGE)
        ((struct uffdio_zeropage *)argument)->zeropage = count;
    else if (request == UFFDIO_CONTINUE)
        ((struct uffdio_continue *)argument)->mapped = count;
    errno = error;
    return -1;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    void *argument;
    int error;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    error = judge(site_of_request(request));
    if (error == 0)
        return __real_ioctl(fd, request, argument);
    return error & PARTLY ? do_partly(fd, request, argument) : do_nothing(request, argument, error);
}

/* ---- system calls by number ---------------------------------------------------------------- */

static enum site site_of_number(long number, long second)
{
    switch (number) {
    case SYS_userfaultfd:
        return SITE_UFFD_OPEN;
    case SYS_futex: /* to wake cannot fail: the word is there */
        return (second & FUTEX_CMD_MASK) == FUTEX_WAIT ? SITE_FUTEX_WAIT : SITE_COUNT;
    case SYS_membarrier:
        return SITE_MEMBARRIER;
    case SYS_process_madvise:
        return SITE_PROCESS_MADVISE;
    case SYS_pidfd_open:
        return SITE_PIDFD_OPEN;
    case SYS_pidfd_getfd:
        return SITE_PIDFD_GETFD;
    case SYS_close_range:
        return SITE_CLOSE_RANGE;
    case SYS_rt_tgsigqueueinfo:
        return SITE_SEND_SIGNAL;
    default: /* gettid */
        return SITE_COUNT;
    }
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long argument[6];
    va_list arguments;
    enum site site;
    int error;

    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        argument[i] = va_arg(arguments, long);
    va_end(arguments);
    site = site_of_number(number, argument[1]);
    error = site == SITE_COUNT ? 0 : judge(site);
    if (error == 0)
        return __real_syscall(number, argument[0], argument[1], argument[2], argument[3],
                              argument[4], argument[5]);
    if (error & PARTLY) /* process_madvise: the first range only, and then half a count */
        return __real_syscall(number, argument[0], argument[1], 1l, argument[3], argument[4], 0l);
    errno = error;
    return -1;
}
